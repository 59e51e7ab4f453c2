"""Arithmetic of boxes: overlap, and suppression of those that say the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


CONTAINED = 0.8
"""A box that has this share of itself inside of another, or the other of itself in it, says the same: half a face found
by one octave inside of the whole face that another one found."""


def iou_matrix(a_xyxy: Array, b_xyxy: Array) -> Array:
    """Intersection over union of every pair: `(N, 4)` and `(M, 4)` to `(N, M)` in [0, 1]; 0 where a union is 0."""
    overlap = _intersections(a_xyxy, b_xyxy)
    union = area(a_xyxy)[:, None] + area(b_xyxy)[None, :] - overlap
    return _share(overlap, union)


def containment_matrix(box_xyxy: Array) -> Array:
    """Intersection over the smaller area of every pair: `(N, 4)` to `(N, N)` in [0, 1]; 0 where an area is 0."""
    areas = area(box_xyxy)
    return _share(_intersections(box_xyxy, box_xyxy), np.minimum(areas[:, None], areas[None, :]))


def area(box_xyxy: Array) -> Array:
    """Areas `(N,)` of boxes `(N, 4)`; 0 where a box is turned inside out."""
    sides = np.maximum(box_xyxy[:, 2:] - box_xyxy[:, :2], 0.0)
    product: Array = sides[:, 0] * sides[:, 1]
    return product


def suppress(box_xyxy: Array, score: Array, *, iou: float) -> list[int]:
    """Rows that stay, best first: greedy non-maximum suppression, equal scores by row.

    Args:
        box_xyxy: float32 `(N, 4)`; score: float32 `(N,)`.
        iou: a box that overlaps a better one by more than this is dropped, in [0, 1]; so is one that is `CONTAINED`.
    """
    order = np.argsort(-score, kind="stable")
    same = (iou_matrix(box_xyxy, box_xyxy) > iou) | (containment_matrix(box_xyxy) > CONTAINED)
    alive = np.ones(len(score), bool)
    kept: list[int] = []
    for row in order.tolist():
        if alive[row]:
            kept.append(row)
            alive &= ~same[row]
    return kept


def _intersections(a_xyxy: Array, b_xyxy: Array) -> Array:
    low = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    high = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    sides = np.maximum(high - low, 0.0)
    overlap: Array = sides[..., 0] * sides[..., 1]
    return overlap


def _share(part: Array, whole: Array) -> Array:
    ratio: Array = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return ratio
