"""Maps at the size of the image, for people and for measuring. Needs OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_ALPHA = 0.5


def enlarged(cells: NDArray[np.float32], size_hw: tuple[int, int], *, blur_px: float = 0.0) -> NDArray[np.float32]:
    """A map `(h, w)` at an image's size, bilinear, smoothed by a Gaussian of `blur_px` pixels where that is above 0."""
    height, width = size_hw
    large = cv2.resize(cells, (width, height), interpolation=cv2.INTER_LINEAR)
    if blur_px:
        large = cv2.GaussianBlur(large, (0, 0), blur_px)
    return large.astype(np.float32, copy=False)


def overlay(
    picture_bgr: NDArray[np.uint8], cells: NDArray[np.float32], *, low: float, high: float
) -> NDArray[np.uint8]:
    """A picture with the map over it: nothing at `low` and below, full colour at `high`.

    Returns:
        uint8 BGR `(H, W, 3)`.
    """
    size_hw = picture_bgr.shape[0], picture_bgr.shape[1]
    heat = np.clip((enlarged(cells, size_hw) - low) / max(high - low, 1e-12), 0.0, 1.0)
    colours = cv2.applyColorMap((255.0 * heat).astype(np.uint8), cv2.COLORMAP_TURBO)
    share = (_ALPHA * heat)[..., None]
    mixed: NDArray[np.uint8] = np.rint(picture_bgr * (1.0 - share) + colours * share).astype(np.uint8)
    return mixed
