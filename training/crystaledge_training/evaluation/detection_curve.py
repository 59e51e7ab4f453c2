"""Precision and recall over the scores of a whole set, and how sure they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RECALLS = np.linspace(0.0, 1.0, 101)
"""Where COCO reads the curve."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Detections of all images that count, each a hit or a false alarm at one threshold of overlap."""

    score: NDArray[np.float32]
    """`(D,)`, falling."""
    hit: NDArray[np.bool_]
    """`(D,)`."""
    image: NDArray[np.int64]
    """`(D,)`: index of the image."""
    faces: NDArray[np.int64]
    """`(I,)`: faces of each image that are to be found."""


def average_precision(judged: Judged, times: NDArray[np.int64] | None = None) -> float:
    """COCO's average precision: the mean of the interpolated precision at 101 recalls.

    Interpolated precision at recall r is the best precision at any recall of at least r (Everingham et al.,
    The PASCAL VOC Challenge, IJCV 2010, section 4.2; at 101 recalls as in COCO), and 0 beyond the last recall.

    Args:
        times: `(I,)`, how often each image is in the set; by default once.

    Returns:
        A value in [0, 1], or NaN where no face is to be found.
    """
    times = np.ones(len(judged.faces), np.int64) if times is None else times
    faces = int(times @ judged.faces)
    if faces == 0:
        return math.nan
    hits, counted = _running(judged, times)
    best = np.maximum.accumulate((hits / np.maximum(counted, 1))[::-1])[::-1]
    where = np.searchsorted(hits / faces, RECALLS, side="left")
    return float(np.append(best, 0.0)[where].mean())


def bootstrap_interval(judged: Judged, *, resamples: int, seed: int) -> tuple[float, float]:
    """95 % interval of the average precision, by drawing images with replacement.

    The percentile interval of Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    Images are drawn, not faces, since faces of one image share its light, its crowd and its errors.
    Draws without a face are left out.

    Returns:
        The 2.5th and 97.5th percentile; NaN twice where there is nothing to draw.
    """
    generator = np.random.default_rng(seed)
    images = len(judged.faces)
    values = [
        average_precision(judged, np.bincount(generator.integers(images, size=images), minlength=images))
        for _ in range(resamples if images else 0)
    ]
    defined = [value for value in values if not math.isnan(value)]
    if not defined:
        return math.nan, math.nan
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def recall_at_precision(judged: Judged, precision: float) -> tuple[float, float]:
    """The highest recall of any score threshold that keeps the precision, and that threshold.

    Precision is the one measured at the threshold, not the interpolated one; detections of equal score
    pass together.

    Returns:
        Recall in [0, 1] and score. Where no threshold keeps the precision: 0 and NaN; without faces: NaN twice.
    """
    faces = int(judged.faces.sum())
    if faces == 0:
        return math.nan, math.nan
    hits, counted = _running(judged, np.ones(len(judged.faces), np.int64))
    last_of_its_score = np.diff(judged.score, append=-np.inf) < 0
    kept = np.flatnonzero(last_of_its_score & (hits >= precision * counted))
    if len(kept) == 0 or hits[kept[-1]] == 0:
        return 0.0, math.nan
    row = kept[np.argmax(hits[kept])]  # the first of several: it has the fewest false alarms
    return float(hits[row] / faces), float(judged.score[row])


def _running(judged: Judged, times: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    weight = times[judged.image]
    return np.cumsum(weight * judged.hit), np.cumsum(weight)
