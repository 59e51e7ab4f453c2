"""`crystaledge evaluate` of systems that find anomalies: a whole report, or one line that says why not."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from crystaledge.cli.main import main
from crystaledge_training.data.anomaly_set import read_anomaly_set
from crystaledge_training.student_teacher.train import StudentTeacherTrainRequest, train
from tests.training.student_teacher.builders import LIGHTNING_WARNINGS, TINY, draw_parts

pytestmark = LIGHTNING_WARNINGS


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_parts(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def checkpoint(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    request = StudentTeacherTrainRequest(
        data=read_anomaly_set(parts), data_licence="none", out=out, config=TINY, progress=False
    )
    result = train(request)
    assert result.checkpoint is not None
    return result.checkpoint


def given(checkpoint: Path, data: Path, *options: str) -> list[str]:
    return ["evaluate", "student_teacher", "--checkpoint", str(checkpoint), "--data", str(data), *options]


def test_writes_numbers_and_pictures(
    checkpoint: Path, parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(given(checkpoint, parts, "--out", str(tmp_path / "r"), "--bootstrap", "20", "--json")) == 0
    found = json.loads(capsys.readouterr().out)
    images = found["evaluation"]["images"]
    assert (images["normal"], images["anomalous"], images["by_defect"][0]["defect"]) == (3, 4, "bitten")
    assert found["evaluation"]["decision"]["calibrated_on"].startswith("3 held-out normal images")
    names = {"report.md", "report.json", "roc.png", "scores.png", "misses.png"}
    assert {path.name for path in (tmp_path / "r").iterdir()} == names
    assert json.loads((tmp_path / "r" / "report.json").read_text(encoding="utf-8")) == found
    text = (tmp_path / "r" / "report.md").read_text(encoding="utf-8")
    assert all(f"]({name})" in text for name in names if name.endswith(".png"))
    assert main(given(checkpoint, parts, "--out", str(tmp_path / "r"))) == 2
    assert main(given(checkpoint, parts, "--out", str(tmp_path / "r"), "--bootstrap", "20", "--force")) == 0


def test_equal_calls_give_equal_numbers(checkpoint: Path, parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for _ in range(2):
        assert main(given(checkpoint, parts, "--bootstrap", "20", "--json")) == 0
        found.append(json.loads(capsys.readouterr().out)["evaluation"])
        del found[-1]["images_per_second"]
    assert found[0] == found[1]


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    """The one line of a refusal."""
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == "" and "Traceback" not in said.err
    return said.err.splitlines()[-1]


def test_what_cannot_be_is_refused_in_one_line(
    checkpoint: Path, parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--people" in refused(capsys, given(checkpoint, parts, "--people", "x"))
    assert "--split" in refused(capsys, given(checkpoint, parts, "--split", "val"))
    assert "no images to test on" in refused(capsys, given(checkpoint, parts / "train" / "good"))
    assert "nowhere" in refused(capsys, given(checkpoint, tmp_path / "nowhere"))
    other = given(checkpoint, parts)
    other[1] = "patchcore"
    assert "is of student_teacher" in refused(capsys, other)


def test_an_image_that_cannot_be_read_leaves_no_report(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = draw_parts(tmp_path / "parts", train=1, good=1, bitten=1)
    (broken / "test" / "good" / "000.png").write_bytes(b"no image")
    assert "000.png" in refused(capsys, given(checkpoint, broken, "--out", str(tmp_path / "r")))
    assert not (tmp_path / "r").exists()


def test_images_of_other_sizes_are_judged_at_their_own(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = draw_parts(tmp_path / "parts", train=1, good=2, bitten=2)
    for path in [*(wide / "test").rglob("*.png"), *(wide / "ground_truth").rglob("*.png")]:
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert image is not None
        assert cv2.imwrite(str(path), cv2.resize(image, (150, 70), interpolation=cv2.INTER_NEAREST))
    assert main(given(checkpoint, wide, "--bootstrap", "5", "--json")) == 0
    assert json.loads(capsys.readouterr().out)["evaluation"]["located"] == 4
