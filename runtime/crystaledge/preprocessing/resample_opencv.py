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
        shrinks = self._content[0] <= y2 - y1 and self._content[1] <= x2 - x1
        self._interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR

    def __call__(self, frame: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """Resample uint8 `(H, W, 3)` into `out`, uint8 `(h, w, 3)`."""
        y1, x1, y2, x2 = self._box
        height, width = self._content
        target = within_letterbox(out, self._content)
        target[...] = cv2.resize(frame[y1:y2, x1:x2], (width, height), interpolation=self._interpolation)
