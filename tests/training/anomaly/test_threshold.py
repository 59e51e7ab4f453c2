"""Thresholds keep what they promise, in the long run and in their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from crystaledge.anomaly.scoring import Scoring
from crystaledge.errors import DataError
from crystaledge_training.anomaly.threshold import choose_decision, order_of, realised_interval

SCORING = Scoring(blur_cells=1.5)


def scores(count: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Skewed, as distances are."""
    return np.random.default_rng(seed).gamma(3.0, 1.0, count).astype(np.float32)


@pytest.mark.parametrize(("count", "rate"), [(60, 0.05), (200, 0.01), (19, 0.05)])
def test_promise_holds_on_average(count: int, rate: float) -> None:
    fresh = scores(20_000, seed=10_000)
    realised = []
    for seed in range(300):
        held_out = scores(count, seed)
        decision = choose_decision(held_out, held_out, SCORING, false_alarm_rate=rate, calibrated_on="test")
        realised.append(float(np.mean(fresh >= decision.threshold)))
    assert np.mean(realised) <= rate * 1.1
    assert np.mean(realised) >= (1.0 - order_of(count, rate) / (count + 1)) * 0.9


def test_interval_covers_what_is_realised() -> None:
    fresh = scores(20_000, seed=10_000)
    covered = []
    for seed in range(400):
        held_out = scores(60, seed)
        decision = choose_decision(held_out, held_out, SCORING, false_alarm_rate=0.05, calibrated_on="test")
        low, high = decision.false_alarm_interval
        covered.append(low <= float(np.mean(fresh >= decision.threshold)) <= high)
    assert 0.92 <= np.mean(covered) <= 0.98


def test_too_few_images_are_said_by_the_interval() -> None:
    assert order_of(20, 0.01) == 20
    low, high = realised_interval(20, 20)
    assert low < 0.01 < high
    assert high > 0.15


def test_held_out_images_are_normal_at_the_smallest_rate() -> None:
    held_out = scores(50, 1)
    decision = choose_decision(held_out, held_out * 2, SCORING, false_alarm_rate=1e-6, calibrated_on="test")
    assert not (held_out >= decision.threshold).any()
    assert decision.threshold == pytest.approx(float(held_out.max()))
    assert decision.region_threshold == pytest.approx(2 * float(held_out.max()))
    assert decision.held_out == 50
    assert decision.centre == pytest.approx(float(np.median(held_out)))
    assert decision.blur_cells == 1.5


def test_equal_scores_have_a_spread() -> None:
    same = np.full(5, 2.0, np.float32)
    assert choose_decision(same, same, SCORING, false_alarm_rate=0.05, calibrated_on="test").spread > 0.0


def test_nothing_to_choose_from_is_refused() -> None:
    for bad in (np.zeros(0, np.float32), np.array([1.0, np.nan], np.float32)):
        with pytest.raises(DataError, match="held-out normal images"):
            choose_decision(bad, bad, SCORING, false_alarm_rate=0.05, calibrated_on="test")
