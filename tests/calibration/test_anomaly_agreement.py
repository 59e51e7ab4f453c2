"""Agreement about an image: by hand, in its limits, and as it falls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.anomaly.scoring import Scored
from crystaledge_calibration.anomaly_agreement import agreement, apart
from crystaledge_calibration.anomaly_task import anomaly_task
from tests.calibration.anomaly_builders import DECISION, LIMITS
from tests.support.anomaly_bundles import write_student_bundle

RAWS = st.floats(0.0, 1e6, allow_nan=False)
CELLS = np.array([[1.0, 2.0], [2.0, 4.0]], np.float32)


def image(raw: float, cells: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = CELLS) -> Scored:
    return Scored(raw, cells)


def test_the_same_agrees_wholly() -> None:
    assert agreement(image(1.7), image(1.7), DECISION) == 1.0


def test_a_spread_of_score_costs_as_much_as_a_map_that_is_wholly_wrong() -> None:
    assert agreement(image(1.0), image(1.0 + DECISION.spread), DECISION) == pytest.approx(0.5)
    assert agreement(image(1.0), image(1.0, np.zeros_like(CELLS)), DECISION) == pytest.approx(0.5)
    assert agreement(image(1.0), image(1.0 + DECISION.spread, 2 * CELLS), DECISION) == pytest.approx(1 / 3)


def test_a_map_is_measured_against_itself_but_no_finer_than_a_spread() -> None:
    tenth = np.full_like(CELLS, 0.1 * DECISION.spread)
    zero = np.zeros_like(CELLS)
    assert agreement(image(0.0, zero), image(0.0, tenth), DECISION) == pytest.approx(1 / 1.1)
    assert agreement(image(0.0, CELLS), image(0.0, 1.1 * CELLS), DECISION) == pytest.approx(1 / 1.1)


def test_far_above_the_threshold_scores_may_differ_and_below_they_may_not() -> None:
    far = DECISION.threshold + 4.0 * DECISION.spread
    assert apart(far + 1.0, far + 50.0, DECISION) == 0.0
    assert apart(far, far - DECISION.spread, DECISION) == pytest.approx(-1.0)
    assert apart(0.0, DECISION.spread, DECISION) == pytest.approx(1.0)


@given(RAWS, RAWS, st.floats(0.0, 1e6), st.floats(1e-6, 1e3))
def test_it_lies_in_0_to_1_and_falls_as_maps_part(left: float, right: float, error: float, spread: float) -> None:
    decision = replace(DECISION, spread=spread)
    near = agreement(image(left), image(right, CELLS + np.float32(error)), decision)
    further = agreement(image(left), image(right, CELLS + np.float32(2 * error)), decision)
    assert 0.0 < further <= near <= 1.0
    assert abs(apart(left, right, decision)) == abs(apart(right, left, decision))


def test_the_search_aims_at_what_leaves_ninety_nine_verdicts_of_a_hundred_alone(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    scores = random.normal(DECISION.threshold, DECISION.spread, 40_000)  # as many near the threshold as can be
    others = scores + random.choice([-1.0, 1.0], len(scores)) * DECISION.spread / 40
    assert np.mean((scores >= DECISION.threshold) == (others >= DECISION.threshold)) >= LIMITS.same_verdict
    aim = anomaly_task(write_student_bundle(tmp_path / "a.bundle")).aim
    near = DECISION.threshold, DECISION.threshold + DECISION.spread / 40
    assert agreement(image(near[0]), image(near[1], np.float32(1.01) * CELLS), DECISION) == pytest.approx(aim, abs=2e-3)
