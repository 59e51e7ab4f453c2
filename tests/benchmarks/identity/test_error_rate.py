"""False non-matches, recomputed by resampling people one by one with the curve that the rest of the house uses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.metrics.bootstrap import resample_people
from crystaledge.metrics.verification import roc_curve, tar_at_far
from crystaledge_benchmarks.identity import error_rate
from crystaledge_benchmarks.identity.error_rate import Rate, false_non_match_rate, mean_rate, reduction

Array = NDArray[np.float64]


def naive(scores: Array, person: NDArray[np.int64], counts: Array, rate: float) -> float:
    """Of one resample, from the whole curve."""
    first, second = np.triu_indices(len(person), k=1)
    same = person[first] == person[second]
    weight = np.where(same, counts[person[first]], counts[person[first]] * counts[person[second]])
    if not weight[same].sum() or not weight[~same].sum():
        return math.nan
    kept = weight > 0
    curve = roc_curve(scores[first, second][kept], same[kept], weight[kept])
    return 1.0 - tar_at_far(curve, rate)


def drawn(seed: int, *, people: int, templates: int, ties: bool) -> tuple[Array, NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    person = np.sort(random.integers(0, people, templates))
    around = random.normal(0, 1, (people, 3))[person] + random.normal(0, 0.7, (templates, 3))
    scores = around @ around.T
    return (np.round(scores) if ties else scores), person


@given(st.integers(0, 10_000), st.sampled_from([0.001, 0.05, 0.3]), st.booleans())
def test_every_resample_is_what_the_whole_curve_says(seed: int, rate: float, ties: bool) -> None:
    scores, person = drawn(seed, people=6, templates=14, ties=ties)
    draws = resample_people(6, 8, seed=seed)
    found = false_non_match_rate(scores, person, draws, false_match_rate=rate)
    expected = [naive(scores, person, counts, rate) for counts in (np.ones(6), *draws)]
    np.testing.assert_allclose([found.value, *found.samples], expected, atol=1e-12)


@pytest.mark.parametrize("looked", [1, 2, 7])
def test_thresholds_below_the_first_look_are_found(looked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    scores, person = drawn(3, people=9, templates=40, ties=True)
    draws = resample_people(9, 12, seed=3)
    whole = false_non_match_rate(scores, person, draws, false_match_rate=0.1)
    monkeypatch.setattr(error_rate, "_FIRST_LOOK", looked)
    again = false_non_match_rate(scores, person, draws, false_match_rate=0.1)
    np.testing.assert_array_equal(again.samples, whole.samples)
    assert again.value == whole.value


def test_a_person_alone_has_no_rate() -> None:
    found = false_non_match_rate(np.eye(3), np.zeros(3, np.int64), np.ones((2, 1)), false_match_rate=0.1)
    assert math.isnan(found.value)
    assert np.isnan(found.samples).all()
    assert math.isnan(found.estimate.low)


def test_nobody_seen_twice_has_no_rate() -> None:
    found = false_non_match_rate(np.eye(3), np.arange(3), np.ones((1, 3)), false_match_rate=0.1)
    assert math.isnan(found.value)


def test_a_reduction_resamples_both_sides_together() -> None:
    ours, other = Rate(0.02, np.array([0.01, 0.04, 0.0])), Rate(0.04, np.array([0.02, 0.05, 0.0]))
    share = reduction(ours, other)
    assert share.value == pytest.approx(0.5)
    np.testing.assert_allclose((share.low, share.high), np.quantile([0.5, 0.2], (0.025, 0.975)))
    assert math.isnan(reduction(ours, Rate(0.0, np.zeros(3))).value)


def test_a_mean_over_draws_keeps_resamples_apart() -> None:
    mean = mean_rate([Rate(0.1, np.array([0.0, 0.2])), Rate(0.3, np.array([0.2, 0.4]))])
    assert mean.value == pytest.approx(0.2)
    np.testing.assert_allclose(mean.samples, [0.1, 0.3])
