"""How much boxes overlap, for all pairs of two sets. Boxes are centres and half sizes, float64 `(n, 4)`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def iou(first: Array, second: Array) -> Array:
    """Intersection over union `(n, m)`."""
    common = _intersection(first[:, None, :2], first[:, None, 2:], second[:, :2], second[:, 2:])
    return common / (_area(first)[:, None] + _area(second) - common)


def cover(first: Array, second: Array) -> Array:
    """Share of each first box that each second one covers `(n, m)`."""
    common = _intersection(first[:, None, :2], first[:, None, 2:], second[:, :2], second[:, 2:])
    return common / _area(first)[:, None]


def buffered_iou(first: Array, second: Array, buffer: Array) -> Array:
    """IoU `(n, m)` after both boxes of a pair are widened on each side by `buffer` `(n,)` times their size.

    C-BIoU (Yang et al., WACV 2023, section 3.1), with a buffer of its own for each first box.
    """
    factor = 1.0 + 2.0 * buffer
    widened = second[None, :, 2:] * factor[:, None, None]
    common = _intersection(first[:, None, :2], (first[:, 2:] * factor[:, None])[:, None, :], second[:, :2], widened)
    return common / ((_area(first)[:, None] + _area(second)) * (factor * factor)[:, None] - common)


def _intersection(centre: Array, half: Array, other_centre: Array, other_half: Array) -> Array:
    """Area of the intersection of boxes `(..., 2)` that broadcast."""
    both = np.minimum(centre + half, other_centre + other_half) - np.maximum(centre - half, other_centre - other_half)
    both = np.maximum(both, 0.0)
    return both[..., 0] * both[..., 1]  # type: ignore[no-any-return]


def _area(boxes: Array) -> Array:
    return 4.0 * boxes[:, 2] * boxes[:, 3]
