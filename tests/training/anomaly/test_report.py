"""The report of an evaluation: what was promised stands beside what was found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crystaledge_training.anomaly.evaluate import AnomalyEvaluation, Looked
from crystaledge_training.anomaly.report import markdown
from tests.training.anomaly.redness import judged, look_at_parts


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Looked:
    return look_at_parts(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def result(looked: Looked) -> AnomalyEvaluation:
    return judged(looked, resamples=20)


def test_shows_what_was_promised_beside_what_was_found(result: AnomalyEvaluation) -> None:
    text = markdown(result, title="parts")
    assert text.startswith("# parts\n")
    assert "| image AUROC | 1.000 [1.000, 1.000] |" in text
    assert "for a false-alarm rate of 0.05, on 20 drawn parts." in text
    assert "promised by 20 held-out normal images | between 0.001 and 0.200 |" in text
    assert "| false-alarm rate of the 3 normal images here | 0.000 [0.000, 0.708] |" in text
    assert "| bitten | 4 | 1.000 | 1.000 |" in text


def test_every_table_has_rows_as_wide_as_its_head(result: AnomalyEvaluation) -> None:
    tables = [block.splitlines() for block in markdown(result, title="t").split("\n\n") if block.startswith("|")]
    assert len(tables) == 3
    for rows in tables:
        assert len({row.count("|") for row in rows}) == 1, rows


def test_what_cannot_be_known_is_not_a_number(looked: Looked) -> None:
    unlocated = tuple(replace(one, image=replace(one.image, mask=None)) for one in looked.seen)
    text = markdown(judged(replace(looked, seen=unlocated)), title="t")
    assert "| pixel AUROC (0 regions in 3 located images) | n/a |" in text
    assert "nan" not in text
    normal = tuple(one for one in looked.seen if one.image.defect is None)
    assert "| recall | n/a |" in markdown(judged(replace(looked, seen=normal)), title="t")


def test_boxes_are_said_to_be_boxes(looked: Looked, result: AnomalyEvaluation) -> None:
    boxed = tuple(
        replace(
            one, image=replace(one.image, mask=None, box_xyxy=((4.0, 4.0, 30.0, 20.0),) if one.image.defect else ())
        )
        for one in looked.seen
    )
    assert "4 of them by boxes alone" in markdown(judged(replace(looked, seen=boxed)), title="t")
    assert "by boxes" not in markdown(result, title="t")
