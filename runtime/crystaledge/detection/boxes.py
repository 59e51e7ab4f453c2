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
    ratio: Array = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    return ratio


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
    boxes = box_xyxy[order]
    areas = area(boxes)
    alive = np.ones(len(order), bool)
    kept: list[int] = []
    for place, row in enumerate(order.tolist()):
        if alive[place]:  # only those that stay are compared with the others
            kept.append(row)
            overlap = _intersections(boxes[place : place + 1], boxes)[0]
            same = overlap > iou * (areas + areas[place] - overlap)
            same |= overlap > CONTAINED * np.minimum(areas, areas[place])
            alive &= ~same
    return kept


def _intersections(a_xyxy: Array, b_xyxy: Array) -> Array:
    low = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    high = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    sides = np.maximum(high - low, 0.0)
    overlap: Array = sides[..., 0] * sides[..., 1]
    return overlap
