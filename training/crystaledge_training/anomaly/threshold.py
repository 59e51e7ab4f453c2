"""Where normal ends: a threshold from held-out normal images, and how far its promise can be trusted."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from crystaledge.anomaly.scoring import Scoring
from crystaledge.anomaly.spec import AnomalyDecision
from crystaledge.errors import DataError

_COVERAGE = 0.95
_SMALLEST_SPREAD = 1e-6
_FENCE = 3.0
"""Interquartile ranges above the upper quartile, from where a score is far out (Tukey, 1977)."""
_FEWEST_TO_FENCE = 8


def choose_decision(
    scores: NDArray[np.float32],
    peaks: NDArray[np.float32],
    scoring: Scoring,
    *,
    false_alarm_rate: float,
    calibrated_on: str,
) -> AnomalyDecision:
    """The decision that keeps false alarms at `false_alarm_rate`, as far as so many held-out images can tell.

    A defect among the held-out images would lift the threshold above all defects, so scores that lie far out are left
    out, and counted; the interval holds for images that are like the others.

    Args:
        scores: `(n,)`, n at least 1: raw scores of normal images that nothing else was fitted to.
        peaks: `(n,)`: the largest cell of each image's smoothed map.
        scoring: how both were computed; the decision repeats it.
        false_alarm_rate: share of normal images that may lie at or above the threshold.

    Raises:
        DataError: there are no scores, or one is not finite.
    """
    if not len(scores) or not (np.isfinite(scores).all() and np.isfinite(peaks).all()):
        msg = f"{len(scores)} held-out normal images with finite scores are needed, at least one; check the images."
        raise DataError(msg)
    everyone = len(scores)
    like_others = within_fence(scores)
    scores, peaks = scores[like_others], peaks[like_others]
    rank = order_of(len(scores), false_alarm_rate)
    return AnomalyDecision(
        threshold=_just_above(scores, rank),
        centre=float(np.median(scores)),
        spread=max(float(np.std(scores, dtype=np.float64)), _SMALLEST_SPREAD),
        false_alarm_rate=false_alarm_rate,
        false_alarm_interval=realised_interval(len(scores), rank),
        held_out=len(scores),
        left_out=everyone - len(scores),
        region_threshold=_just_above(peaks, rank),
        blur_cells=scoring.blur_cells,
        neighbours=scoring.neighbours,
        rerank=scoring.rerank,
        calibrated_on=calibrated_on,
    )


def within_fence(scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which scores are not far above the others; all of them where there are too few to tell."""
    if len(scores) < _FEWEST_TO_FENCE:
        return np.ones(len(scores), bool)
    lower, upper = np.quantile(scores, [0.25, 0.75])
    return np.asarray(scores <= upper + _FENCE * (upper - lower), bool)


def order_of(count: int, false_alarm_rate: float) -> int:
    """Which of `count` scores in ascending order, from 1, a new normal image exceeds with that probability at most.

    A new score exceeds the k-th of n with probability `1 - k / (n + 1)` (split conformal prediction; Vovk et al.,
    2005). Where n is too small for the rate, the largest score has to do, and the interval says what that means.
    """
    return min(math.ceil((count + 1) * (1.0 - false_alarm_rate) - 1e-9), count)


def realised_interval(count: int, rank: int) -> tuple[float, float]:
    """Where the share of normal images above the `rank`-th of `count` scores lies with 95 % probability.

    That share is Beta(n - k + 1, k) distributed, whatever the scores' distribution (Wilks, 1941).
    """
    outside = (1.0 - _COVERAGE) / 2.0
    low, high = beta.ppf([outside, 1.0 - outside], count - rank + 1, rank)
    return float(low), float(high)


def _just_above(values: NDArray[np.float32], rank: int) -> float:
    """An image at the threshold is anomalous, so the threshold is the next number after the last normal one."""
    return float(np.nextafter(np.sort(values)[rank - 1], np.float32(np.inf)))
