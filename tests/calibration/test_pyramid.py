"""From maps of all octaves to faces."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge_calibration.pyramid import above, faces_of
from tests.calibration.detector_builders import DECISION


def maps(side: int, *peaks: tuple[int, int, float]) -> Mapping[str, NDArray[np.float32]]:
    """Maps of one image with boxes of one stride around the centres of some cells."""
    logit = np.full((1, 1, side, side), -9.0, np.float32)
    for row, column, value in peaks:
        logit[0, 0, row, column] = value
    return {"logit": logit, "box": np.zeros((1, 4, side, side), np.float32)}


def test_boxes_of_an_octave_are_brought_to_the_pixels_of_the_first() -> None:
    (found,) = faces_of([maps(8, (1, 2, 3.0)), maps(4, (3, 0, 2.0))], DECISION)
    np.testing.assert_allclose(found.box_xyxy, [[8, 4, 12, 8], [0, 24, 8, 32]])
    np.testing.assert_allclose(found.score, 1 / (1 + np.exp([-3.0, -2.0])), rtol=1e-6)


def test_one_face_seen_in_two_octaves_is_one_face() -> None:
    small, large = maps(8, (0, 0, 3.0)), maps(4, (0, 0, 2.0))
    small["box"][:] = np.array([0.5, 0.5, np.log(2.0), np.log(2.0)], np.float32)[None, :, None, None]
    (found,) = faces_of([small, large], DECISION)
    np.testing.assert_allclose(found.box_xyxy, [[0, 0, 8, 8]], atol=1e-5)


def test_faces_come_from_the_low_score_up() -> None:
    (found,) = faces_of([maps(8, (0, 0, 0.5), (4, 4, -0.5), (7, 0, -1.0))], DECISION)
    assert len(found.score) == 2
    assert above(found, DECISION.point.score).score == pytest.approx([1 / (1 + np.exp(-0.5))])


def test_maps_that_are_not_finite_give_boxes_that_are() -> None:
    broken = maps(8, (0, 0, np.nan), (4, 4, np.inf))
    broken["box"][0, :, 4, 4] = np.nan, np.inf, -np.inf, 0.0
    (found,) = faces_of([broken], DECISION)
    assert len(found.score) == 1 and np.isfinite(found.box_xyxy).all() and np.isfinite(found.score).all()
