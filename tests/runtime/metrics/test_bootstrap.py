"""The bootstrap over people against explicit copies of people."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.metrics.bootstrap import (
    ScoredPairs,
    bootstrap_mean,
    bootstrap_verification,
    estimate,
    resample_people,
    verification_metrics,
)
from crystaledge.metrics.verification import roc_curve

METRICS = ("auc", "eer", "tar@far=0.1", "tar@far=0.01", "tar@far=0.001")


def pairs_of(owners: list[int], seed: int) -> ScoredPairs:
    """All pairs of templates, with rounded random scores, so that some tie; genuine ones higher."""
    person = np.array(owners)
    first, second = np.triu_indices(len(person), k=1)
    same = person[first] == person[second]
    noise = np.random.default_rng(seed).normal(size=len(same))
    return ScoredPairs(np.round(noise + same, 1), same, person[first], person[second])


@given(
    owners=st.lists(st.integers(0, 4), min_size=6, max_size=14),
    drawn=st.lists(st.integers(0, 4), min_size=5, max_size=5),
    seed=st.integers(0, 99),
)
def test_a_resample_is_the_same_people_copied(owners: list[int], drawn: list[int], seed: int) -> None:
    pairs = pairs_of(owners, seed)
    counts = np.bincount(drawn, minlength=5)
    _, samples = bootstrap_verification(pairs, counts[None].astype(np.float64))
    scores: list[float] = []
    same: list[bool] = []
    # Each copy of a person is a person of their own: pairs of two copies of one person are left out.
    for copy_a in range(5):
        for copy_b in range(5):
            for k in range(len(pairs.scores)):
                if (pairs.first_person[k], pairs.second_person[k]) != (drawn[copy_a], drawn[copy_b]):
                    continue
                if pairs.same[k] == (copy_a == copy_b):
                    scores.append(float(pairs.scores[k]))
                    same.append(bool(pairs.same[k]))
    assert set(samples) == set(METRICS)
    if not any(same) or all(same):
        assert all(np.isnan(values[0]) for values in samples.values())
        return
    roc = roc_curve(np.array(scores), np.array(same))
    for name, metric in verification_metrics().items():
        assert samples[name][0] == pytest.approx(metric(roc)), name


def test_values_are_those_of_all_pairs() -> None:
    pairs = pairs_of([0, 0, 1, 1, 2, 2, 3, 3], 0)
    values, samples = bootstrap_verification(pairs, np.ones((1, 4)))
    roc = roc_curve(pairs.scores, pairs.same)
    for name, metric in verification_metrics().items():
        assert values[name] == metric(roc)
        assert samples[name][0] == pytest.approx(values[name])  # everybody once is no resampling


def test_the_order_of_pairs_does_not_matter() -> None:
    pairs = pairs_of([0, 0, 1, 1, 2, 2, 3, 3], 0)
    order = np.random.default_rng(1).permutation(len(pairs.scores))
    shuffled = ScoredPairs(
        pairs.scores[order], pairs.same[order], pairs.first_person[order], pairs.second_person[order]
    )
    draws = resample_people(4, 20, seed=0)
    first, second = bootstrap_verification(pairs, draws)[1], bootstrap_verification(shuffled, draws)[1]
    for name in METRICS:
        np.testing.assert_allclose(first[name], second[name], equal_nan=True)


class TestDraws:
    def test_each_resample_draws_as_many_people_as_there_are(self) -> None:
        draws = resample_people(7, 50, seed=3)
        assert draws.shape == (50, 7)
        assert (draws.sum(axis=1) == 7).all()
        assert (draws == draws.astype(int)).all()
        assert draws.min() == 0
        assert draws.max() >= 3

    def test_everybody_is_drawn_alike(self) -> None:
        mean = resample_people(5, 20_000, seed=0).mean(axis=0)
        np.testing.assert_allclose(mean, 1.0, atol=0.03)  # four standard errors

    def test_are_a_function_of_the_seed(self) -> None:
        first = resample_people(7, 50, seed=3)
        np.testing.assert_array_equal(resample_people(7, 50, seed=3), first)
        assert (resample_people(7, 50, seed=4) != first).any()


class TestEstimate:
    def test_holds_the_middle_95_percent(self) -> None:
        found = estimate(0.5, np.linspace(0.0, 1.0, 1001))
        assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.025, 0.975))

    def test_leaves_out_resamples_that_say_nothing(self) -> None:
        found = estimate(0.5, np.array([np.nan, 0.2, np.nan, 0.4]))
        assert (found.low, found.high) == pytest.approx((0.205, 0.395))

    def test_has_no_interval_without_resamples(self) -> None:
        found = estimate(0.5, np.array([np.nan, np.nan]))
        assert found.value == 0.5
        assert math.isnan(found.low)
        assert math.isnan(found.high)


class TestMean:
    @pytest.mark.parametrize("resamples", [3, 200])
    def test_is_the_mean_of_the_people_who_were_drawn(self, resamples: int) -> None:
        per_person, present = np.array([0.0, 1.0, 0.25]), np.array([1, 2, 4])
        draws = resample_people(5, resamples, seed=0)
        samples = []
        for counts in draws.astype(int):
            copies = [v for v, p in zip(per_person, present, strict=True) for _ in range(counts[p])]
            samples.append(np.mean(copies) if copies else np.nan)
        assert np.isnan(samples).any() == (resamples > 3)  # nobody with a value was drawn, now and then
        found, expected = bootstrap_mean(per_person, present, draws), estimate(1.25 / 3, np.array(samples))
        assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))
