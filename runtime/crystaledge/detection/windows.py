"""Which windows of an image a fully convolutional detector must see again, and which of its cells they settle.

A change of one pixel reaches every cell whose receptive field holds that pixel. Phantom's head sees 31 px around a
cell's centre, 15 to each side, so cells within `HALO_PX` of a changed pixel are stale and no other is. A window of the
image gives exactly the dense result for its cells that lie at least `HALO_PX` from its sides, and up to the very side
where it ends with the image, for there the padding is the same (reference: architectures, 3.7 P3). Windows are of a few
fixed sizes, so that those of many images go through a graph in one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.detection.codec import STRIDE_PX

HALO_PX = 16
"""A multiple of the stride, at least the 15 px that the head's receptive field reaches beyond a cell's centre."""
HALO_CELLS = HALO_PX // STRIDE_PX

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Window:
    """A part of an image that is recomputed, and the cells of the map that it settles."""

    y_px: int
    x_px: int
    size_hw: tuple[int, int]
    """In pixels, one of the sizes that there is a graph for."""
    settled: tuple[int, int, int, int]
    """Cells y1, x1, y2, x2 of the image's map, half-open."""

    @property
    def pixels(self) -> tuple[slice, slice]:
        """Rows and columns of the image."""
        return slice(self.y_px, self.y_px + self.size_hw[0]), slice(self.x_px, self.x_px + self.size_hw[1])

    @property
    def target(self) -> tuple[slice, slice]:
        """Rows and columns of the image's map."""
        y1, x1, y2, x2 = self.settled
        return slice(y1, y2), slice(x1, x2)

    @property
    def source(self) -> tuple[slice, slice]:
        """Rows and columns of the window's own map."""
        y1, x1, y2, x2 = self.settled
        row, column = self.y_px // STRIDE_PX, self.x_px // STRIDE_PX
        return slice(y1 - row, y2 - row), slice(x1 - column, x2 - column)


def stale_cells(blocks: Mask) -> Mask:
    """Cells `(h, w)` that a changed pixel of a block of 4 px, one block a cell, can reach.

    The field of cell i is the pixels 4 i - 15 to 4 i + 15, so a pixel of block c reaches the cells c - 3 to c + 4.
    """
    return dilated(blocks, HALO_CELLS)


def dilated(cells: Mask, reach: int) -> Mask:
    """Cells within `reach` of a set one in both directions."""
    rows = _spread(cells, reach)
    return _spread(rows.T, reach).T


def _spread(cells: Mask, reach: int) -> Mask:
    counts = np.zeros((len(cells) + 1, *cells.shape[1:]), np.int32)
    np.cumsum(cells, axis=0, out=counts[1:])
    last = np.minimum(np.arange(len(cells)) + reach + 1, len(cells))
    first = np.maximum(np.arange(len(cells)) - reach, 0)
    spread: Mask = counts[last] > counts[first]
    return spread


def window_at(cell_yx: tuple[int, int], size_hw: tuple[int, int], image_hw: tuple[int, int]) -> Window:
    """The window whose first settled cell is `cell_yx`, moved into the image where it would stand out.

    Args:
        size_hw: in pixels, at most `image_hw`, multiples of the stride.
    """
    y, y1, y2 = _along(cell_yx[0], size_hw[0], image_hw[0])
    x, x1, x2 = _along(cell_yx[1], size_hw[1], image_hw[1])
    return Window(y, x, size_hw, (y1, x1, y2, x2))


def _along(first_cell: int, size: int, image: int) -> tuple[int, int, int]:
    start = min(max(first_cell * STRIDE_PX - HALO_PX, 0), image - size)
    low = 0 if start == 0 else (start + HALO_PX) // STRIDE_PX
    high = image // STRIDE_PX if start + size == image else (start + size - HALO_PX) // STRIDE_PX
    return start, low, high


def cover(stale: Mask, sizes_hw: Sequence[tuple[int, int]], image_hw: tuple[int, int]) -> list[Window]:
    """Windows that settle every stale cell, few pixels in all: the best greedy cover by one size, or the whole image.

    Args:
        stale: bool `(H / 4, W / 4)`.
        sizes_hw: sizes in pixels that there are graphs for; `image_hw` is always one.
    """
    count = int(np.count_nonzero(stale))
    if not count:
        return []
    best = [Window(0, 0, image_hw, (0, 0, *stale.shape))]
    for size in sorted(set(sizes_hw), reverse=True):
        if size != image_hw and _fits(size, image_hw) and count <= _affordable_cells(best, size, image_hw):
            best = min(best, _greedy(stale, size, image_hw), key=_pixels)
    return best


def _affordable_cells(best: Sequence[Window], size_hw: tuple[int, int], image_hw: tuple[int, int]) -> int:
    """Cells that windows of a size could settle at most for fewer pixels than the best cover so far."""
    most = [
        (size - (0 if size == image else HALO_PX)) // STRIDE_PX for size, image in zip(size_hw, image_hw, strict=True)
    ]
    return (_pixels(best) - 1) // (size_hw[0] * size_hw[1]) * most[0] * most[1]


def _greedy(stale: Mask, size_hw: tuple[int, int], image_hw: tuple[int, int]) -> list[Window]:
    """Row by row, from the left: each window starts at the first stale cell that is left."""
    left = stale.copy()
    windows: list[Window] = []
    most = image_hw[0] * image_hw[1]
    while len(windows) * size_hw[0] * size_hw[1] < most:
        rows = left.any(axis=1)
        if not rows.any():
            break
        row = int(rows.argmax())
        band = left[row : row + max(1, (size_hw[0] - 2 * HALO_PX) // STRIDE_PX)]
        column = int(band.any(axis=0).argmax())
        window = window_at((row, column), size_hw, image_hw)
        left[window.target] = False
        windows.append(window)
    return windows if not left.any() else [Window(0, 0, image_hw, (0, 0, *stale.shape))]


def _fits(size_hw: tuple[int, int], image_hw: tuple[int, int]) -> bool:
    return size_hw[0] <= image_hw[0] and size_hw[1] <= image_hw[1] and min(size_hw) > 2 * HALO_PX


def _pixels(windows: Sequence[Window]) -> int:
    return sum(window.size_hw[0] * window.size_hw[1] for window in windows)
