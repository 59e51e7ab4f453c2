"""Verification metrics against scikit-learn and against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.optimize import brentq
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from crystaledge.metrics.verification import (
    auc,
    equal_error_rate,
    roc_curve,
    tar_at_far,
    threshold_at_far,
)

Array = NDArray[np.float64]
RATES = (0.0, 0.05, 0.1, 1 / 3, 0.5, 1.0)


@st.composite
def scored(draw: st.DrawFn) -> tuple[Array, NDArray[np.bool_], Array]:
    """Scores with many ties, truths of both kinds, and whole weights of at least one."""
    count = draw(st.integers(2, 40))
    # A quarter apart, so that equal scores are equal in every arithmetic.
    scores = draw(hnp.arrays(np.int64, count, elements=st.integers(-6, 6))) / 4.0
    same = draw(hnp.arrays(np.bool_, count))
    same[:2] = [True, False]
    weights = draw(hnp.arrays(np.int64, count, elements=st.integers(1, 4))).astype(np.float64)
    return scores, same, weights


def rates_at(threshold: float, scores: Array, same: NDArray[np.bool_], weights: Array) -> tuple[float, float]:
    """(false-accept rate, true-accept rate) of accepting at `score >= threshold`, counted one by one."""
    accepted = scores >= threshold
    false = sum(w for w, a, s in zip(weights, accepted, same, strict=True) if a and not s)
    true = sum(w for w, a, s in zip(weights, accepted, same, strict=True) if a and s)
    return false / weights[~same].sum(), true / weights[same].sum()


@given(case=scored())
def test_roc_is_that_of_scikit_learn(case: tuple[Array, NDArray[np.bool_], Array]) -> None:
    scores, same, weights = case
    roc = roc_curve(scores, same, weights)
    fpr, tpr, thresholds = sklearn_roc_curve(same, scores, sample_weight=weights, drop_intermediate=False)
    np.testing.assert_allclose(roc.false_accept_rate, fpr, atol=1e-12)
    np.testing.assert_allclose(roc.true_accept_rate, tpr, atol=1e-12)
    np.testing.assert_array_equal(roc.threshold, thresholds)
    assert (roc.false_accept_rate[-1], roc.true_accept_rate[-1]) == (1.0, 1.0)


@given(case=scored())
def test_every_point_is_what_its_threshold_gives(case: tuple[Array, NDArray[np.bool_], Array]) -> None:
    scores, same, weights = case
    roc = roc_curve(scores, same, weights)
    assert len(set(roc.threshold)) == len(roc.threshold)  # ties are one point
    for threshold, far, tar in zip(roc.threshold, roc.false_accept_rate, roc.true_accept_rate, strict=True):
        assert (far, tar) == pytest.approx(rates_at(float(threshold), scores, same, weights))


@given(case=scored())
def test_auc_is_that_of_scikit_learn_and_the_chance_of_the_right_order(
    case: tuple[Array, NDArray[np.bool_], Array],
) -> None:
    scores, same, weights = case
    found = auc(roc_curve(scores, same, weights))
    assert found == pytest.approx(roc_auc_score(same, scores, sample_weight=weights))
    genuine, impostor = scores[same][:, None], scores[~same][None, :]
    wins = (genuine > impostor) + 0.5 * (genuine == impostor)
    share = weights[same][:, None] * weights[~same][None, :]
    assert found == pytest.approx((wins * share).sum() / share.sum())


@given(case=scored())
def test_weights_count_as_copies(case: tuple[Array, NDArray[np.bool_], Array]) -> None:
    scores, same, weights = case
    copies = weights.astype(int)
    weighted, copied = roc_curve(scores, same, weights), roc_curve(np.repeat(scores, copies), np.repeat(same, copies))
    np.testing.assert_allclose(weighted.false_accept_rate, copied.false_accept_rate, atol=1e-12)
    np.testing.assert_allclose(weighted.true_accept_rate, copied.true_accept_rate, atol=1e-12)
    np.testing.assert_array_equal(weighted.threshold, copied.threshold)


@given(case=scored(), seed=st.integers(0, 99))
def test_the_order_of_pairs_does_not_matter(case: tuple[Array, NDArray[np.bool_], Array], seed: int) -> None:
    scores, same, weights = case
    order = np.random.default_rng(seed).permutation(len(scores))
    first, second = roc_curve(scores, same, weights), roc_curve(scores[order], same[order], weights[order])
    np.testing.assert_allclose(first.false_accept_rate, second.false_accept_rate, atol=1e-12)
    np.testing.assert_allclose(first.true_accept_rate, second.true_accept_rate, atol=1e-12)


@given(case=scored())
def test_the_equal_error_rate_is_where_the_curve_meets_the_diagonal(
    case: tuple[Array, NDArray[np.bool_], Array],
) -> None:
    # Independent of the implementation: a root along the curve, every point joined by a straight line.
    scores, same, weights = case
    points = [(0.0, 0.0)]
    points += [rates_at(t, scores, same, weights) for t in sorted(set(scores.tolist()), reverse=True)]
    far, tar = np.array(points).T
    place = np.arange(len(far))

    def gap(at: float) -> float:
        return float(np.interp(at, place, far) - (1.0 - np.interp(at, place, tar)))

    expected = np.interp(brentq(gap, 0, len(far) - 1, xtol=1e-13), place, far)
    assert equal_error_rate(roc_curve(scores, same, weights)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("genuine", "impostors", "expected"),
    [
        ([3.0, 4.0], [1.0, 2.0], 0.0),
        ([1.0, 2.0], [3.0, 4.0], 1.0),
        ([1.0, 1.0], [1.0, 1.0], 0.5),
        ([1.0, 3.0], [0.0, 2.0], 0.5),
        ([0.5, 2.0, 3.0, 4.0], [-1.0, 0.0, 0.25, 1.0], 0.25),
    ],
)
def test_equal_error_rates_by_hand(genuine: list[float], impostors: list[float], expected: float) -> None:
    scores = np.array(genuine + impostors)
    same = np.array([True] * len(genuine) + [False] * len(impostors))
    assert equal_error_rate(roc_curve(scores, same)) == pytest.approx(expected)


@given(case=scored(), rate=st.sampled_from(RATES))
def test_operating_points_are_the_best_that_the_rate_allows(
    case: tuple[Array, NDArray[np.bool_], Array], rate: float
) -> None:
    scores, same, weights = case
    roc = roc_curve(scores, same, weights)
    candidates = [np.inf, *sorted(set(scores.tolist()), reverse=True)]
    allowed = [t for t in candidates if rates_at(t, scores, same, weights)[0] <= rate]
    assert threshold_at_far(roc, rate) == min(allowed)
    assert tar_at_far(roc, rate) == pytest.approx(max(rates_at(t, scores, same, weights)[1] for t in allowed))


def test_a_rate_that_cannot_be_reached_accepts_nobody() -> None:
    # The highest score is an impostor's: any threshold lets at least half of them in.
    roc = roc_curve(np.array([3.0, 2.0, 1.0]), np.array([False, True, False]))
    assert threshold_at_far(roc, 0.1) == np.inf
    assert tar_at_far(roc, 0.1) == 0.0


def test_a_rate_that_is_exactly_reached_counts_as_reached() -> None:
    scores = np.concatenate([np.arange(30.0), [26.5]])
    same = np.array([False] * 30 + [True])
    roc = roc_curve(scores, same)
    assert threshold_at_far(roc, 0.1) == 26.5  # three of thirty lie above
    assert tar_at_far(roc, 0.1) == 1.0
    assert tar_at_far(roc, 0.0999) == 0.0
