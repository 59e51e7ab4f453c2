"""Verification metrics from scores with weights: ROC, AUC, EER, TAR at FAR.

Weights make the subject bootstrap cheap: a resample of people only changes the weights of pairs, so
scores are sorted once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Roc:
    """Operating curve over falling thresholds, accepting at `score >= threshold`.

    It begins at threshold +inf with both rates 0 and ends with both rates 1; ties are one point.
    """

    threshold: Array
    false_accept_rate: Array
    true_accept_rate: Array


def roc_curve(scores: Array, same: NDArray[np.bool_], weights: Array | None = None) -> Roc:
    """ROC of `scores` `(N,)`; `same` marks genuine pairs; `weights` `(N,)` default to 1."""
    order = np.argsort(-scores, kind="stable")
    ordered, truth = scores[order], same[order]
    weight = np.ones_like(ordered) if weights is None else weights[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    accepted_same = np.cumsum(weight * truth)[last_of_tie]
    accepted_other = np.cumsum(weight * ~truth)[last_of_tie]
    return Roc(
        np.append(np.inf, ordered[last_of_tie]),
        np.append(0.0, accepted_other / max(accepted_other[-1], 1e-300)),
        np.append(0.0, accepted_same / max(accepted_same[-1], 1e-300)),
    )


def auc(roc: Roc) -> float:
    """Area under the curve = P(same > different) + 1/2 P(tie), by trapezoids."""
    heights = roc.true_accept_rate[1:] + roc.true_accept_rate[:-1]
    return float(np.sum(np.diff(roc.false_accept_rate) * heights) / 2.0)


def equal_error_rate(roc: Roc) -> float:
    """Rate at which false accepts equal false rejects, interpolated between the two nearest points."""
    gap = roc.false_accept_rate - (1.0 - roc.true_accept_rate)
    after = int(np.argmax(gap >= 0))
    before = max(after - 1, 0)
    span = gap[after] - gap[before]
    share = 0.0 if span == 0 else -gap[before] / span
    low, high = roc.false_accept_rate[before], roc.false_accept_rate[after]
    return float(low + share * (high - low))


def tar_at_far(roc: Roc, rate: float) -> float:
    """True-accept rate at the largest reached false-accept rate that is at most `rate`."""
    return float(roc.true_accept_rate[np.searchsorted(roc.false_accept_rate, rate, side="right") - 1])


def threshold_at_far(roc: Roc, rate: float) -> float:
    """Lowest threshold whose false-accept rate is at most `rate`; +inf where none is."""
    return float(roc.threshold[np.searchsorted(roc.false_accept_rate, rate, side="right") - 1])
