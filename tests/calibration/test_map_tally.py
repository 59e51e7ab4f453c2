"""Sums of map differences, against a naive recomputation."""

from __future__ import annotations

import numpy as np
import pytest

from crystaledge_calibration.map_tally import MapTally


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
