"""Where in an image the anomaly is: the cells around the map's peak that are as far from normal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]


def region_xyxy(cells: NDArray[np.float32], *, threshold: float, size_hw: tuple[int, int]) -> Box | None:
    """The box around the connected cells at or above `threshold` that hold the peak; None where the peak is below it.

    Args:
        cells: `(h, w)`.
        size_hw: of the image that the map covers, in pixels.

    Returns:
        x1, y1, x2, y2 in pixels of the image, half-open.
    """
    inside = cells >= threshold
    peak = np.unravel_index(int(cells.argmax()), cells.shape)
    if not inside[peak]:
        return None
    ys, xs = np.nonzero(_connected(inside, (int(peak[0]), int(peak[1]))))
    cell_h, cell_w = size_hw[0] / cells.shape[0], size_hw[1] / cells.shape[1]
    x1, y1 = float(xs.min() * cell_w), float(ys.min() * cell_h)
    return x1, y1, float((xs.max() + 1) * cell_w), float((ys.max() + 1) * cell_h)


def _connected(inside: NDArray[np.bool_], seed: tuple[int, int]) -> NDArray[np.bool_]:
    """The eight-connected part of `inside` that holds `seed`."""
    part = np.zeros_like(inside)
    part[seed] = True
    while True:
        grown = np.pad(part, 1)
        near = np.zeros_like(part)
        for y in range(3):
            for x in range(3):
                near |= grown[y : y + part.shape[0], x : x + part.shape[1]]
        near &= inside
        if (near == part).all():
            return part
        part = near
