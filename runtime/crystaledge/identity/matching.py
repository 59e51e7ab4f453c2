"""Comparing identities: unit vectors with one log-variance each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystaledge.identity.spec import MatchScore, Scoring

Array = NDArray[np.float64]

_SMALLEST_NORM = 1e-8
_LOG_VARIANCE_RANGE = (-15.0, 15.0)
"""Far beyond anything a trained head gives; keeps the score finite on a damaged state."""


def unit_rows(hidden: NDArray[np.float32]) -> Array:
    """States `(N, D)` to identities: each row divided by its L2 norm, zeros where the norm is under 1e-8."""
    wide = hidden.astype(np.float64)
    norm = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.where(norm < _SMALLEST_NORM, 0.0, wide / np.maximum(norm, _SMALLEST_NORM))


def cosine_scores(a: Array, b: Array) -> Array:
    """Cosine of each row of `a` `(N, D)` with each row of `b` `(M, D)`: `(N, M)` in [-1, 1]."""
    return np.clip(a @ b.T, -1.0, 1.0)


def likelihood_ratio_scores(
    scoring: Scoring, a: Array, log_variance_a: Array, b: Array, log_variance_b: Array
) -> Array:
    """Log-likelihood ratio in nats that two uncertain identities are one person's: `(N, M)`.

    Two-covariance model (Prince and Elder, Probabilistic Linear Discriminant Analysis, 2007, with
    one variance per observation). With B and D from `scoring`, w = exp(log variance), ca = B + wa,
    cb = B + wb, d = ca cb - B^2:

        -1/2 [ D ln(d / (ca cb)) + (ca + cb - 2 B cos) / d - 1 / ca - 1 / cb ]

    Unlike a plain cosine it goes to 0, no evidence either way, as either side grows uncertain.

    Args:
        a: unit vectors `(N, H)`; `b` likewise, `(M, H)`.
        log_variance_a: `(N,)`, per effective dimension; `log_variance_b` likewise, `(M,)`.
    """
    between, dimensions = scoring.between_variance, scoring.effective_dimensions
    total_a = between + np.exp(np.clip(log_variance_a, *_LOG_VARIANCE_RANGE))[:, None]
    total_b = between + np.exp(np.clip(log_variance_b, *_LOG_VARIANCE_RANGE))[None, :]
    determinant = total_a * total_b - between**2
    distance = (total_a + total_b - 2.0 * between * cosine_scores(a, b)) / determinant - 1.0 / total_a - 1.0 / total_b
    scores: Array = -0.5 * (dimensions * np.log(determinant / (total_a * total_b)) + distance)
    return scores


def match_scores(scoring: Scoring, a: Array, log_variance_a: Array, b: Array, log_variance_b: Array) -> Array:
    """Scores `(N, M)` of the kind that the manifest asks for."""
    if scoring.kind is MatchScore.COSINE:
        return cosine_scores(a, b)
    return likelihood_ratio_scores(scoring, a, log_variance_a, b, log_variance_b)
