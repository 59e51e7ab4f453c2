"""The images that are judged worst: which they are, and that they are to be seen."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from crystaledge_training.anomaly.evaluate import Looked
from crystaledge_training.anomaly.misses import MOST, margin, misses_picture, worst
from tests.training.anomaly.redness import DECISION, look_at_parts


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Looked:
    return look_at_parts(tmp_path_factory.mktemp("parts"))


class TestWorst:
    def test_come_first(self, looked: Looked) -> None:
        margins = [margin(one, 0.5) for one in worst(looked.seen, 0.5)]
        assert margins == sorted(margins) and len(margins) == 7
        assert margins[0] > 0.0, "nothing is on the wrong side"

    def test_of_a_threshold_that_nothing_reaches_are_defects(self, looked: Looked) -> None:
        missed = worst(looked.seen, 2.0, most=4)
        assert all(one.image.defect is not None and margin(one, 2.0) < 0.0 for one in missed)

    def test_of_a_threshold_that_all_reach_are_normal(self, looked: Looked) -> None:
        assert all(one.image.defect is None for one in worst(looked.seen, -1.0, most=3))


class TestPicture:
    def test_shows_the_outline_of_each_mask(self, looked: Looked) -> None:
        picture = decoded(misses_picture(looked.seen, DECISION))
        assert picture.shape[0] > 400
        assert (picture == (0, 255, 0)).all(axis=2).any()

    def test_grows_by_rows_of_two_and_stops_at_the_eight_worst(self, looked: Looked) -> None:
        heights = [decoded(misses_picture(looked.seen[:count], DECISION)).shape[0] for count in (1, 2, 3)]
        assert heights[0] == heights[1] < heights[2]
        many = looked.seen * 3
        assert (
            decoded(misses_picture(many, DECISION)).shape[0] == decoded(misses_picture(many[:MOST], DECISION)).shape[0]
        )

    def test_of_images_of_other_sizes_and_shapes(self, looked: Looked) -> None:
        wide = replace(looked.seen[0], cells=np.zeros((3, 9), np.float32))
        assert decoded(misses_picture([wide], DECISION)).size

    def test_of_nothing_is_an_empty_picture(self) -> None:
        assert decoded(misses_picture([], DECISION)).min() == 255


def decoded(png: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture.astype(np.uint8, copy=False)
