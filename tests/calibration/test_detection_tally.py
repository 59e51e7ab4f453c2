"""Sums of map differences and of faces, against a naive recomputation."""

from __future__ import annotations

import numpy as np
import pytest

from crystaledge_calibration.detection_tally import FaceTally, MapTally
from tests.calibration.test_agreement import faces


def test_sums_over_batches_are_those_of_all_at_once() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 6, 4, 5, 5)).astype(np.float32)
    tally = MapTally()
    tally.add({"box": a[:2]}, {"box": b[:2]})
    tally.add({"box": a[2:]}, {"box": b[2:]})
    (trace,), (error,) = tally.traces(), tally.errors()
    assert trace.tensor == error.tensor == "box"
    assert trace.max_abs == pytest.approx((np.abs(a - b).max(),), rel=1e-5)
    assert trace.mean_abs == pytest.approx((np.abs(a - b).mean(),), rel=1e-5)
    assert error.error == pytest.approx(np.linalg.norm(a - b) / np.linalg.norm(a), rel=1e-5)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_broken_and_stays_so(broken: float) -> None:
    ones = np.ones((1, 1, 2, 2), np.float32)
    tally = MapTally()
    tally.add({"box": ones}, {"box": ones * np.float32(broken)})
    tally.add({"box": ones}, {"box": ones})
    assert tally.errors()[0].error > 1e10 and np.isfinite(tally.errors()[0].error)
    assert tally.traces()[0].max_abs == (1e30,)


def test_faces_are_counted_at_the_operating_point_of_both_sides() -> None:
    tally = FaceTally(0.5)
    tally.add(faces((0, 0, 0.9), (50, 0, 0.6)), faces((0, 0, 0.8), (50, 0, 0.4)))
    tally.add(faces(), faces((0, 0, 0.7)))
    found = tally.record()
    assert (found.images, found.faces_float, found.faces_deployed, found.faces_both) == (2, 2, 2, 1)
    assert found.same_faces == pytest.approx(0.5)
    assert found.box_iou == pytest.approx(1.0)
    assert found.score_apart == pytest.approx(0.1, abs=1e-6) and found.score_shift == pytest.approx(-0.1, abs=1e-6)


def test_where_nothing_is_shared_no_box_overlaps() -> None:
    tally = FaceTally(0.5)
    tally.add(faces((0, 0, 0.9)), faces((50, 0, 0.9)))
    assert (tally.record().same_faces, tally.record().box_iou) == (0.0, 0.0)
