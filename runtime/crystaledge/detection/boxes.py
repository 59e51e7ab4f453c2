"""Arithmetic of boxes: overlap, and suppression of those that say the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def iou_matrix(a_xyxy: Array, b_xyxy: Array) -> Array:
    """Intersection over union of every pair: `(N, 4)` and `(M, 4)` to `(N, M)` in [0, 1]; 0 where a union is 0."""
    low = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    high = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    sides = np.maximum(high - low, 0.0)
    overlap = sides[..., 0] * sides[..., 1]
    union = area(a_xyxy)[:, None] + area(b_xyxy)[None, :] - overlap
    ratio: Array = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    return ratio


def area(box_xyxy: Array) -> Array:
    """Areas `(N,)` of boxes `(N, 4)`; 0 where a box is turned inside out."""
    sides = np.maximum(box_xyxy[:, 2:] - box_xyxy[:, :2], 0.0)
    product: Array = sides[:, 0] * sides[:, 1]
    return product


def suppress(box_xyxy: Array, score: Array, *, iou: float) -> list[int]:
    """Rows that stay, best first: greedy non-maximum suppression above an overlap, equal scores by row.

    Args:
        box_xyxy: float32 `(N, 4)`; score: float32 `(N,)`.
        iou: a box that overlaps a better one by more than this is dropped, in [0, 1].
    """
    order = np.argsort(-score, kind="stable")
    overlaps = iou_matrix(box_xyxy, box_xyxy) > iou
    alive = np.ones(len(score), bool)
    kept: list[int] = []
    for row in order.tolist():
        if alive[row]:
            kept.append(row)
            alive &= ~overlaps[row]
    return kept
