"""Scores by loops, and by the training side's own formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.identity.matching import cosine_scores, likelihood_ratio_scores, match_scores, unit_rows
from crystaledge.identity.spec import COSINE, MatchScore, Scoring, unit_vector_scoring
from crystaledge_training.mnemosyne.uncertainty import likelihood_ratio

Wide = NDArray[np.float64]
DIMENSIONS = 5
UNFITTED = unit_vector_scoring(DIMENSIONS)
FITTED = Scoring(kind=MatchScore.LIKELIHOOD_RATIO, between_variance=0.03, effective_dimensions=3.5)
LIKELIHOODS = pytest.mark.parametrize("scoring", [UNFITTED, FITTED], ids=["unfitted", "fitted"])


def identities(count: int, seed: int) -> Wide:
    """Random identities, unit rows."""
    return unit_rows(np.random.default_rng(seed).normal(size=(count, DIMENSIONS)).astype(np.float32))


def log_variances(count: int, seed: int) -> Wide:
    """Random log-variances, as a trained head gives them."""
    return np.random.default_rng(seed).normal(-2.0, 1.0, count)


def log_normal(values: Wide, covariance: Wide) -> float:
    """Log-density of a normal distribution around 0."""
    inverse, (_, log_determinant) = np.linalg.inv(covariance), np.linalg.slogdet(covariance)
    return float(-0.5 * (values @ inverse @ values + log_determinant + len(values) * math.log(2.0 * math.pi)))


def test_before_anything_is_fitted_half_of_a_unit_vectors_variance_lies_between_people() -> None:
    assert UNFITTED.kind is MatchScore.LIKELIHOOD_RATIO
    assert DIMENSIONS * UNFITTED.between_variance == pytest.approx(0.5)
    assert UNFITTED.effective_dimensions == DIMENSIONS


@LIKELIHOODS
def test_the_likelihood_ratio_from_its_densities_by_loops(scoring: Scoring) -> None:
    probes, gallery = identities(4, 0), identities(3, 1)
    probe_variance, gallery_variance = log_variances(4, 2), log_variances(3, 3)
    scores = likelihood_ratio_scores(scoring, probes, probe_variance, gallery, gallery_variance)
    between = scoring.between_variance
    for row in range(4):
        for column in range(3):
            within_a, within_b = math.exp(probe_variance[row]), math.exp(gallery_variance[column])
            # One person: both observations share what lies between people. Two people: they share nothing.
            one = np.array([[between + within_a, between], [between, between + within_b]])
            two = np.diag([between + within_a, between + within_b])
            expected = 0.0
            for dimension in range(DIMENSIONS):
                pair = np.array([probes[row, dimension], gallery[column, dimension]])
                expected += log_normal(pair, one) - log_normal(pair, two)
            # Dimensions beyond those of the vectors hold nothing but zeros; a share of one counts as that share.
            empty = log_normal(np.zeros(2), one) - log_normal(np.zeros(2), two)
            expected += (scoring.effective_dimensions - DIMENSIONS) * empty
            assert scores[row, column] == pytest.approx(expected, rel=1e-9)


@LIKELIHOODS
def test_the_likelihood_ratio_is_the_one_that_training_optimises(scoring: Scoring) -> None:
    probes, gallery = identities(4, 0), identities(3, 1)
    probe_variance, gallery_variance = log_variances(4, 2), log_variances(3, 3)
    scores = likelihood_ratio_scores(scoring, probes, probe_variance, gallery, gallery_variance)
    in_training = likelihood_ratio(
        torch.from_numpy(probes @ gallery.T),
        torch.from_numpy(probe_variance)[:, None],
        torch.from_numpy(gallery_variance)[None, :],
        torch.tensor(scoring.between_variance, dtype=torch.float64),
        torch.tensor(scoring.effective_dimensions, dtype=torch.float64),
    )
    np.testing.assert_allclose(scores, in_training.numpy(), rtol=1e-9)


def test_cosine_by_naive_loops() -> None:
    probes, gallery = identities(4, 0), identities(3, 1)
    scores = cosine_scores(probes, gallery)
    for row in range(4):
        for column in range(3):
            expected = sum(probes[row, d] * gallery[column, d] for d in range(DIMENSIONS))
            assert scores[row, column] == pytest.approx(expected, abs=1e-12)


def test_uncertainty_moves_the_likelihood_and_not_the_cosine() -> None:
    probes, gallery = identities(2, 0), identities(2, 1)
    sure, unsure = np.full(2, -5.0), np.full(2, -1.0)
    for scoring, differs in ((UNFITTED, True), (FITTED, True), (COSINE, False)):
        scores = match_scores(scoring, probes, sure, gallery, sure)
        for doubted in (
            match_scores(scoring, probes, unsure, gallery, sure),
            match_scores(scoring, probes, sure, gallery, unsure),
        ):
            assert (scores != doubted).all() == differs
            assert (scores != doubted).any() == differs


@LIKELIHOODS
def test_evidence_fades_as_either_side_grows_uncertain(scoring: Scoring) -> None:
    # Both for a perfect match and for opposite identities: to nothing, and never to the other side.
    one = identities(1, 0)
    for other, sign in ((one, 1.0), (-one, -1.0)):
        for both in (False, True):
            evidence = [
                sign
                * likelihood_ratio_scores(scoring, one, np.array([s]), other, np.array([s if both else -6.0]))[0, 0]
                for s in (-6.0, -3.0, -1.0, 0.0, 3.0, 14.0)
            ]
            assert evidence == sorted(evidence, reverse=True)
            assert evidence[0] > 1.0
            assert evidence[-1] == pytest.approx(0.0, abs=1e-3)


def test_the_score_does_not_care_which_side_is_which() -> None:
    probes, gallery = identities(4, 0), identities(3, 1)
    probe_variance, gallery_variance = log_variances(4, 2), log_variances(3, 3)
    for scoring in (UNFITTED, FITTED, COSINE):
        forth = match_scores(scoring, probes, probe_variance, gallery, gallery_variance)
        back = match_scores(scoring, gallery, gallery_variance, probes, probe_variance)
        np.testing.assert_allclose(forth, back.T)


@given(st.lists(st.floats(-1e30, 1e30), min_size=2, max_size=2))
def test_a_damaged_log_variance_gives_no_infinity(log_variance: list[float]) -> None:
    for scoring in (UNFITTED, FITTED):
        damaged = np.array(log_variance)
        scores = likelihood_ratio_scores(scoring, identities(2, 0), damaged, identities(2, 1), damaged)
        assert np.isfinite(scores).all()


@given(
    st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=DIMENSIONS, max_size=DIMENSIONS), min_size=1, max_size=4)
)
def test_unit_rows_by_naive_loops(rows: list[list[float]]) -> None:
    found = unit_rows(np.array(rows, np.float32))
    for row, values in enumerate(rows):
        norm = math.sqrt(sum(value * value for value in values))
        expected = [0.0] * DIMENSIONS if norm < 1e-8 else [value / norm for value in values]
        np.testing.assert_allclose(found[row], expected, rtol=1e-9, atol=1e-12)


def test_a_state_of_zero_is_no_direction() -> None:
    assert not unit_rows(np.zeros((1, DIMENSIONS), np.float32)).any()
