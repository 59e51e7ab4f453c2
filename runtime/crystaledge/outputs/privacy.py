"""Faces that nobody asked about are made unrecognizable before a picture is shown or kept. Needs OpenCV."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

_CELLS = 6
"""Cells along a face's longer side: far fewer than the 16 or so from which networks still recognize people
(McPherson, Shokri, Shmatikov: Defeating Image Obfuscation with Deep Learning, 2016)."""
_SMALLEST_CELL_PX = 8
_MARGIN_SHARE = 0.15
"""A detector's box leaves out hair, ears and chin."""

Box = tuple[float, float, float, float]


class Privacy(Enum):
    """What is done about faces of people who are not identified."""

    SHOW = "show"
    PIXELATE = "pixelate"
    """They are pixelated, and a name that is only a guess is left out. A face that was not found stays as it is."""


def pixelate(picture: NDArray[np.uint8], boxes_xyxy: Iterable[Box]) -> None:
    """Replace what the boxes show, and a margin of 15 % a side, by at most 6 x 6 cells of one colour each.

    Args:
        picture: uint8 `(H, W, 3)`, changed in place.
        boxes_xyxy: in pixels; what is outside of the picture, or not finite, is left out.
    """
    for box in boxes_xyxy:
        region = _region(picture, box)
        if region.size:
            region[...] = _coarse(region)


def _region(picture: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    if not np.isfinite(box).all():
        return picture[:0]
    height, width = picture.shape[:2]
    (x1, x2), (y1, y2) = sorted((box[0], box[2])), sorted((box[1], box[3]))
    margin_x, margin_y = _MARGIN_SHARE * (x2 - x1), _MARGIN_SHARE * (y2 - y1)
    left, right = (int(v) for v in np.clip([np.floor(x1 - margin_x), np.ceil(x2 + margin_x)], 0, width))
    top, bottom = (int(v) for v in np.clip([np.floor(y1 - margin_y), np.ceil(y2 + margin_y)], 0, height))
    return picture[top:bottom, left:right]


def _coarse(region: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = region.shape[:2]
    cell_px = max(_SMALLEST_CELL_PX, -(-max(height, width) // _CELLS))
    cells = (max(1, width // cell_px), max(1, height // cell_px))
    means = cv2.resize(region, cells, interpolation=cv2.INTER_AREA)
    return cv2.resize(means, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.uint8, copy=False)
