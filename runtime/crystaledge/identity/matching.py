"""Comparing identities: unit vectors with one log-variance each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystaledge.identity.spec import MatchScore

Array = NDArray[np.float64]

_SMALLEST_NORM = 1e-8
_LOG_VARIANCE_RANGE = (-30.0, 30.0)
"""Far beyond anything a trained head gives; keeps exp() finite on a damaged state."""


def unit_rows(hidden: NDArray[np.float32]) -> Array:
    """States `(N, D)` to identities: each row divided by its L2 norm, zeros where the norm is under 1e-8."""
    wide = hidden.astype(np.float64)
    norm = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.where(norm < _SMALLEST_NORM, 0.0, wide / np.maximum(norm, _SMALLEST_NORM))


def cosine_scores(a: Array, b: Array) -> Array:
    """Cosine of each row of `a` `(N, D)` with each row of `b` `(M, D)`: `(N, M)` in [-1, 1]."""
    return np.clip(a @ b.T, -1.0, 1.0)


def mutual_likelihood_scores(a: Array, log_variance_a: Array, b: Array, log_variance_b: Array) -> Array:
    """Log-likelihood per dimension, up to a constant, that two uncertain identities are one: `(N, M)`.

    -1/2 [ (2 - 2 cos) / (D v) + ln v ], v = exp(s_a) + exp(s_b): the mutual likelihood score of Shi
    and Jain (Probabilistic Face Embeddings, 2019, eq. 3) for one variance per identity, divided by D.
    Unlike a plain cosine it falls when either side is uncertain.

    Args:
        log_variance_a: `(N,)`, per dimension of the unit vector; `log_variance_b` likewise, `(M,)`.
    """
    low, high = _LOG_VARIANCE_RANGE
    va, vb = np.exp(np.clip(log_variance_a, low, high)), np.exp(np.clip(log_variance_b, low, high))
    variance = va[:, None] + vb[None, :]
    squared_distance = 2.0 - 2.0 * cosine_scores(a, b)
    scores: Array = -0.5 * (squared_distance / (a.shape[1] * variance) + np.log(variance))
    return scores


def match_scores(kind: MatchScore, a: Array, log_variance_a: Array, b: Array, log_variance_b: Array) -> Array:
    """Scores `(N, M)` of the kind that the manifest asks for."""
    if kind is MatchScore.COSINE:
        return cosine_scores(a, b)
    return mutual_likelihood_scores(a, log_variance_a, b, log_variance_b)
