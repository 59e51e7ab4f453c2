"""Thresholds keep what they promise, in the long run and in their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from crystaledge.anomaly.scoring import Scoring
from crystaledge.errors import DataError
from crystaledge_training.anomaly.threshold import choose_decision, order_of, realised_interval, within_fence

SCORING = Scoring(blur_cells=1.5)


def scores(count: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """A little skewed, as largest distances are: one in three thousand lies beyond the fence."""
    return np.random.default_rng(seed).gamma(9.0, 1.0, count).astype(np.float32)


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


def test_defects_among_the_held_out_images_do_not_lift_the_threshold() -> None:
    clean = np.random.default_rng(3).normal(10.0, 1.0, 60).astype(np.float32)
    spoilt = np.concatenate([clean, [30.0, 41.0, 55.0]]).astype(np.float32)
    told, fooled = (
        choose_decision(rows, rows, SCORING, false_alarm_rate=0.01, calibrated_on="test") for rows in (clean, spoilt)
    )
    assert fooled.threshold == told.threshold
    assert (told.left_out, fooled.left_out) == (0, 3)
    assert fooled.held_out == told.held_out == 60


def test_few_or_equal_images_are_never_left_out() -> None:
    assert within_fence(np.array([1.0, 1.0, 1.0, 99.0], np.float32)).all()
    assert within_fence(np.full(20, 2.0, np.float32)).all()
    assert 0.0 <= 1.0 - within_fence(np.random.default_rng(0).normal(size=10_000).astype(np.float32)).mean() < 1e-4


def test_equal_scores_have_a_spread() -> None:
    same = np.full(5, 2.0, np.float32)
    assert choose_decision(same, same, SCORING, false_alarm_rate=0.05, calibrated_on="test").spread > 0.0


def test_nothing_to_choose_from_is_refused() -> None:
    for bad in (np.zeros(0, np.float32), np.array([1.0, np.nan], np.float32)):
        with pytest.raises(DataError, match="held-out normal images"):
            choose_decision(bad, bad, SCORING, false_alarm_rate=0.05, calibrated_on="test")
