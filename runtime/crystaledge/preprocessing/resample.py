"""Antialiased resizing as two banded matrix products, in numpy alone."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from crystaledge.preprocessing.spec import Fit, Preprocessing, Resampling

LETTERBOX_GREY = 114


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


def area_weights(source: int, target: int) -> NDArray[np.float32]:
    """Rows of weights that resample `source` samples to `target` by area means; linear where that enlarges.

    Returns:
        float32 `(target, source)`; every row sums to 1.
    """
    shrink = source / target
    if shrink <= 1.0:
        return triangle_weights(source, target)
    edges = np.arange(target + 1) * shrink
    places = np.arange(source)
    high = np.minimum(edges[1:, None], places + 1.0)
    overlap = np.clip(high - np.maximum(edges[:-1, None], places), 0.0, None)
    normalised: NDArray[np.float32] = (overlap / overlap.sum(axis=1, keepdims=True)).astype(np.float32)
    return normalised


def content_hw(source_hw: tuple[int, int], spec: Preprocessing) -> tuple[int, int]:
    """The part of the target, from its upper left corner, that shows the frame; all of it unless letterboxed."""
    height, width = spec.size_hw
    if spec.fit is not Fit.LETTERBOX:
        return height, width
    scale = min(height / source_hw[0], width / source_hw[1])
    return (
        max(1, min(height, math.floor(source_hw[0] * scale + 0.5))),
        max(1, min(width, math.floor(source_hw[1] * scale + 0.5))),
    )


class Band:
    """A resampling matrix by its few weights that are not zero: `(target, taps)` places and weights.

    A dense product would do 20 times the work, and a BLAS would hand it to threads, which wait for
    one another for milliseconds where the cores are busy with something else.
    """

    def __init__(self, weights: NDArray[np.float32]) -> None:
        self.taps = int((weights != 0).sum(axis=1).max())
        first = np.minimum((weights != 0).argmax(axis=1), weights.shape[1] - self.taps)
        self._places = np.ascontiguousarray((first[:, None] + np.arange(self.taps)).T)
        self._weights = np.ascontiguousarray(np.take_along_axis(weights, self._places.T, axis=1).T)[:, :, None]

    def __call__(self, rows: NDArray[np.float32], out: NDArray[np.float32], spare: NDArray[np.float32]) -> None:
        """Resample `(source, n)` along its first axis into `out` `(target, n)`; `spare` is like `out`."""
        np.take(rows, self._places[0], axis=0, out=out, mode="clip")
        out *= self._weights[0]
        for places, weights in zip(self._places[1:], self._weights[1:], strict=True):
            np.take(rows, places, axis=0, out=spare, mode="clip")
            spare *= weights
            out += spare


def within_letterbox(out: NDArray[np.uint8], content: tuple[int, int]) -> NDArray[np.uint8]:
    """The part of `out` that a frame goes to; the rest is painted grey."""
    height, width = content
    if content != out.shape[:2]:
        out[height:], out[:height, width:] = LETTERBOX_GREY, LETTERBOX_GREY
    return out[:height, :width]


class Resampler:
    """Resizes frames of one source size as a specification says; weights and buffers are made once."""

    def __init__(self, source_hw: tuple[int, int], spec: Preprocessing) -> None:
        height, width = self._content = content_hw(source_hw, spec)
        self._box = fitted_box(source_hw, spec)
        y1, x1, y2, x2 = self._box
        self._identity = (y2 - y1, x2 - x1) == self._content
        weights = area_weights if spec.resampling is Resampling.AREA else triangle_weights
        self._down = Band(weights(y2 - y1, height))
        self._across = Band(weights(x2 - x1, width))
        self._source = np.empty((y2 - y1, x2 - x1, 3), np.float32)
        self._tall, self._tall_spare = (np.empty((height, (x2 - x1) * 3), np.float32) for _ in range(2))
        self._turned = np.empty((x2 - x1, height, 3), np.float32)
        self._small, self._small_spare = (np.empty((width, height * 3), np.float32) for _ in range(2))

    def __call__(self, frame: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """Resample uint8 `(H, W, 3)` into `out`, uint8 `(h, w, 3)`, rounding half to even."""
        y1, x1, y2, x2 = self._box
        box = frame[y1:y2, x1:x2]
        out = within_letterbox(out, self._content)
        if self._identity:
            out[...] = box
            return
        self._source[...] = box
        self._down(self._source.reshape(y2 - y1, -1), self._tall, self._tall_spare)
        self._turned[...] = self._tall.reshape(-1, x2 - x1, 3).transpose(1, 0, 2)
        self._across(self._turned.reshape(x2 - x1, -1), self._small, self._small_spare)
        np.rint(self._small, out=self._small)
        out[...] = self._small.reshape(len(self._small), -1, 3).transpose(1, 0, 2)
