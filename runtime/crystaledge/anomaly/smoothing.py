"""A small Gaussian for small maps, without OpenCV: a device that only decides needs numpy alone."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_REACH = 3.0
"""Standard deviations that the kernel spans to each side."""


def smoothed(cells: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """A map `(h, w)` smoothed by a Gaussian of `sigma` cells, borders mirrored; the map itself for 0."""
    if not sigma:
        return cells
    radius = max(1, math.ceil(_REACH * sigma))
    kernel = np.exp(-0.5 * np.square(np.arange(-radius, radius + 1) / sigma)).astype(np.float32)
    kernel /= kernel.sum()
    down = _along_rows(cells, kernel)
    across: NDArray[np.float32] = _along_rows(np.ascontiguousarray(down.T), kernel).T
    return across


def _along_rows(cells: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    radius = len(kernel) // 2
    padded = np.pad(cells, ((radius, radius), (0, 0)), mode="symmetric")
    total: NDArray[np.float32] = kernel[0] * padded[: len(cells)]
    for place in range(1, len(kernel)):
        total += kernel[place] * padded[place : place + len(cells)]
    return total
