"""Area resampling by OpenCV: what `Resampler` does for `Resampling.AREA`, many times faster, equal to a grey level."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from crystaledge.preprocessing.resample import content_hw, fitted_box, within_letterbox
from crystaledge.preprocessing.spec import Preprocessing


class OpenCvResampler:
    """Resizes frames of one source size."""

    def __init__(self, source_hw: tuple[int, int], spec: Preprocessing) -> None:
        self._box = fitted_box(source_hw, spec)
        self._content = content_hw(source_hw, spec)
        y1, x1, y2, x2 = self._box
        self._shrunk = min(self._content[0], y2 - y1), min(self._content[1], x2 - x1)

    def __call__(self, frame: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """Resample uint8 `(H, W, 3)` into `out`, uint8 `(h, w, 3)`.

        OpenCV has no area mean along one side that enlarges the other, so what shrinks goes before what grows.
        """
        y1, x1, y2, x2 = self._box
        image = _resized(frame[y1:y2, x1:x2], self._shrunk, cv2.INTER_AREA)
        within_letterbox(out, self._content)[...] = _resized(image, self._content, cv2.INTER_LINEAR)


def _resized(image: NDArray[np.uint8], size_hw: tuple[int, int], interpolation: int) -> NDArray[np.uint8]:
    if image.shape[:2] == size_hw:
        return image
    height, width = size_hw
    return cv2.resize(image, (width, height), interpolation=interpolation).astype(np.uint8, copy=False)
