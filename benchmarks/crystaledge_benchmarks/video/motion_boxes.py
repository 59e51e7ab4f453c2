"""Motion boxes as video recorders find them: a blurred difference to a running average, and its contours.

After the documented rules and default numbers of Frigate (blakeblackshear/frigate, MIT), without its stretching of
contrast.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_HEIGHT_PX = 100
"""Frames are shrunk to it."""
_LEVELS = 30
"""A difference of more grey levels is motion."""
_AREA_PX = 10.0
"""A contour of at least this area of the shrunken frame is a box."""
_FOLLOWS, _LEARNS = 0.01, 0.2
"""Weight of a frame in the running average; the second while it is learnt anew."""
_LIGHTNING = 0.8
"""More motion than this share of the frame is a change of light: no box, and the average is learnt anew."""


class MotionBoxes:
    """Of one camera."""

    def __init__(self) -> None:
        self._average: Array | None = None
        self._learning = True

    def __call__(self, pixels: NDArray[np.uint8]) -> Array:
        """Boxes `(N, 4)` around what moved, in pixels of uint8 `(H, W, 3)`."""
        scale = min(1.0, _HEIGHT_PX / pixels.shape[0])
        small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
        grey = cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), (3, 3), 1.0).astype(np.float32)
        if self._average is None or self._average.shape != grey.shape:
            self._average = grey.copy()
        boxes, moved = _contours(np.abs(grey - self._average))
        self._learning = moved > _LIGHTNING or (self._learning and moved > 0.0)
        cv2.accumulateWeighted(grey, self._average, _LEARNS if self._learning else _FOLLOWS)
        return np.empty((0, 4), np.float32) if moved > _LIGHTNING else boxes / np.float32(scale)


def _contours(difference: Array) -> tuple[Array, float]:
    """Boxes in pixels of the shrunken frame, and the share of it that moved."""
    moved = cv2.dilate((difference > _LEVELS).astype(np.uint8), np.ones((3, 3), np.uint8))
    contours, _ = cv2.findContours(moved, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    large = [contour for contour in contours if cv2.contourArea(contour) >= _AREA_PX]
    total = sum(float(cv2.contourArea(contour)) for contour in large)
    places = [cv2.boundingRect(contour) for contour in large]
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in places], np.float32).reshape(-1, 4)
    return boxes, total / difference.size
