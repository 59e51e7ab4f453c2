"""AUC and EER of two graphs on the same pairs, by brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge_calibration.verification_parity import compare_verification

Float64 = NDArray[np.float64]
PEOPLE = 9


def scores(seed: int, *, signal: float, decimals: int = 8) -> Float64:
    """Scores of everybody against everybody; the own one is higher by `signal`. Few decimals make ties."""
    random = np.random.default_rng(seed)
    return np.round(random.normal(size=(PEOPLE, PEOPLE)) + signal * np.eye(PEOPLE), decimals)


def brute_auc(found: Float64) -> float:
    """Share of (genuine, impostor) pairs in the right order; ties count half."""
    genuine, impostor = np.diag(found), found[~np.eye(len(found), dtype=bool)]
    wins = [1.0 if g > i else 0.5 if g == i else 0.0 for g in genuine for i in impostor]
    return sum(wins) / len(wins)


def brute_rates(found: Float64) -> list[tuple[float, float]]:
    """(false accepts, false rejects) at every threshold, falling."""
    genuine, impostor = np.diag(found), found[~np.eye(len(found), dtype=bool)]
    thresholds = [np.inf, *sorted(set(found.ravel().tolist()), reverse=True)]
    return [(float((impostor >= t).mean()), float((genuine < t).mean())) for t in thresholds]


def brute_eer(found: Float64) -> float:
    """Where the lines between neighbouring thresholds cross."""
    rates = brute_rates(found)
    for (fa, fr), (later_fa, later_fr) in itertools.pairwise(rates):
        if later_fa >= later_fr:
            share = (fr - fa) / ((fr - fa) + (later_fa - later_fr))
            return fa + share * (later_fa - fa)
    raise AssertionError


@given(st.integers(0, 500), st.floats(0.0, 3.0), st.integers(0, 2))
def test_auc_and_eer_are_those_of_brute_force(seed: int, signal: float, decimals: int) -> None:
    a, b = scores(seed, signal=signal, decimals=decimals), scores(seed + 1000, signal=signal, decimals=decimals)
    found = compare_verification({1: (a, b)})
    assert found.auc_float == pytest.approx(brute_auc(a))
    assert found.auc_deployed == pytest.approx(brute_auc(b))
    assert found.auc_loss.value == pytest.approx(brute_auc(a) - brute_auc(b))
    assert found.eer_float == pytest.approx(brute_eer(a))
    assert found.eer_deployed == pytest.approx(brute_eer(b))
    assert found.eer_rise.value == pytest.approx(brute_eer(b) - brute_eer(a))


def test_the_step_with_the_largest_loss_is_taken_and_not_the_lowest_area() -> None:
    low, sound, fallen = scores(1, signal=0.3), scores(2, signal=3.0), scores(2, signal=1.0)
    assert brute_auc(low) < brute_auc(fallen) < brute_auc(sound)
    found = compare_verification({1: (low, low), 8: (sound, fallen), 64: (sound, sound)})
    assert found.step == 8
    assert found.auc_float == pytest.approx(brute_auc(sound))


def test_equal_scores_lose_nothing_for_certain() -> None:
    same = scores(3, signal=1.0)
    found = compare_verification({1: (same, same.copy())})
    for interval in (found.auc_loss, found.eer_rise):
        assert (interval.value, interval.low, interval.high) == (0.0, 0.0, 0.0)


def test_a_change_of_scale_loses_nothing_since_resamples_are_shared() -> None:
    # Drawn apart for each side, the interval would be as wide as that of the area itself.
    a = scores(4, signal=1.0)
    found = compare_verification({1: (a, 3.0 * a - 1.0)})
    assert found.auc_loss.low == pytest.approx(0.0) and found.auc_loss.high == pytest.approx(0.0)


def test_a_real_loss_has_an_interval_above_zero_around_it() -> None:
    found = compare_verification({1: (scores(5, signal=6.0), scores(5, signal=0.0))})
    assert 0.0 < found.auc_loss.low <= found.auc_loss.value <= found.auc_loss.high
    assert 0.0 < found.eer_rise.low <= found.eer_rise.high


def test_the_seed_draws_the_resamples() -> None:
    pair = scores(6, signal=1.0), scores(7, signal=1.0)
    first, again, other = (compare_verification({1: pair}, seed=seed).auc_loss for seed in (0, 0, 1))
    assert first == again != other
    assert first.value == other.value


@pytest.mark.parametrize("side", ["det_float", "det_deployed"])
def test_the_det_curve_is_a_thinned_part_of_the_true_one_with_both_ends(side: str) -> None:
    many = 40
    random = np.random.default_rng(8)
    a, b = (random.normal(size=(many, many)) + 2.0 * np.eye(many) for _ in range(2))
    accepts, rejects = getattr(compare_verification({1: (a, b)}), side)
    points = list(zip(accepts, rejects, strict=True))
    assert points[0] == (0.0, 1.0) and points[-1] == (1.0, 0.0)
    assert many < len(points) <= 240
    true = {(round(x, 9), round(y, 9)) for x, y in brute_rates(a if side == "det_float" else b)}
    assert {(round(x, 9), round(y, 9)) for x, y in points} <= true
    assert list(accepts) == sorted(accepts) and list(rejects) == sorted(rejects, reverse=True)
    assert len(set(rejects)) == many + 1, "every genuine score is a step of the curve, and a step is not to be lost"
