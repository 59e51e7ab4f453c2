"""Plots of an evaluation are pictures, and there are none of what is not there."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from crystaledge_training.anomaly.evaluate import Looked
from crystaledge_training.anomaly.plots import plots
from tests.training.anomaly.redness import judged, look_at_parts


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Looked:
    return look_at_parts(tmp_path_factory.mktemp("parts"))


def test_both_are_pictures_with_something_on_them(looked: Looked) -> None:
    found = plots(judged(looked))
    assert set(found) == {"roc.png", "scores.png"}
    for png in found.values():
        picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None and picture.std() > 5.0


@pytest.mark.parametrize("defective", [False, True])
def test_images_of_one_kind_have_no_curve(looked: Looked, defective: bool) -> None:
    seen = tuple(one for one in looked.seen if (one.image.defect is not None) == defective)
    assert set(plots(judged(replace(looked, seen=seen)))) == {"scores.png"}


def test_equal_scores_can_be_drawn(looked: Looked) -> None:
    alike = tuple(replace(one, raw=0.5) for one in looked.seen)
    assert set(plots(judged(replace(looked, seen=alike)))) == {"roc.png", "scores.png"}


def test_no_images_have_no_plots(looked: Looked) -> None:
    assert plots(judged(replace(looked, seen=()))) == {}
