"""Antialiased resizing as two matrix products, in numpy alone."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from crystaledge.preprocessing.spec import Fit, Preprocessing


def triangle_weights(source: int, target: int) -> NDArray[np.float32]:
    """Rows of weights that resample `source` samples to `target` with a triangle filter.

    The filter's support is one source sample, widened by the shrink factor so that nothing aliases;
    sample centres sit at half-integers, and weights are renormalised at the borders. These are the
    semantics of Pillow's BILINEAR filter.

    Returns:
        float32 `(target, source)`; every row sums to 1.
    """
    shrink = source / target
    reach = max(shrink, 1.0)
    centres = (np.arange(target) + 0.5) * shrink
    distances = np.abs(np.arange(source) + 0.5 - centres[:, None]) / reach
    weights = np.clip(1.0 - distances, 0.0, None)
    normalised: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return normalised


def fitted_box(source_hw: tuple[int, int], spec: Preprocessing) -> tuple[int, int, int, int]:
    """The part of the frame that is resampled: `(y1, x1, y2, x2)`, half-open, in whole pixels, never empty."""
    height, width = source_hw
    fit_h, fit_w = float(height), float(width)
    if spec.fit is Fit.CENTER:
        scale = min(height / spec.size_hw[0], width / spec.size_hw[1])
        fit_h, fit_w = spec.size_hw[0] * scale, spec.size_hw[1] * scale
    box_h = max(1, min(height, math.floor(fit_h * spec.center_share + 0.5)))
    box_w = max(1, min(width, math.floor(fit_w * spec.center_share + 0.5)))
    y1, x1 = (height - box_h) // 2, (width - box_w) // 2
    return y1, x1, y1 + box_h, x1 + box_w


class Resampler:
    """Resizes frames of one source size as a specification says; weights and buffers are made once."""

    def __init__(self, source_hw: tuple[int, int], spec: Preprocessing) -> None:
        target_hw = spec.size_hw
        self._box = fitted_box(source_hw, spec)
        y1, x1, y2, x2 = self._box
        self._identity = (y2 - y1, x2 - x1) == target_hw
        self._rows = triangle_weights(y2 - y1, target_hw[0])
        self._columns = np.ascontiguousarray(triangle_weights(x2 - x1, target_hw[1]).T)
        self._tall = np.empty((target_hw[0], (x2 - x1) * 3), np.float32)
        self._small = np.empty((target_hw[0], 3, target_hw[1]), np.float32)

    def __call__(self, frame: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """Resample uint8 `(H, W, 3)` into `out`, uint8 `(h, w, 3)`, rounding half to even."""
        y1, x1, y2, x2 = self._box
        box = frame[y1:y2, x1:x2]
        if self._identity:
            out[...] = box
            return
        np.matmul(self._rows, box.reshape(y2 - y1, -1).astype(np.float32), out=self._tall)
        columns_last = self._tall.reshape(-1, x2 - x1, 3).transpose(0, 2, 1)
        np.matmul(columns_last, self._columns, out=self._small)
        np.rint(self._small, out=self._small)
        out[...] = self._small.transpose(0, 2, 1)
