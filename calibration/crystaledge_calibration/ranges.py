"""Ranges from what was observed: streaming histograms of |x| and the four ways to cut them. Plain arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from crystaledge_calibration.choices import Calibrator

Array = NDArray[np.float32]
Float64 = NDArray[np.float64]

BINS = 4096
LEVELS = 127
"""Positive steps of symmetric int8."""
PERCENTILE = 99.99
_MOST_COUNTED = 1 << 15
"""Values of one array that go into the histogram; its extremes are taken from all."""
_NOTHING = 1e-30
"""Magnitudes that count as zero: bins of such a width overflow."""
_ENTROPY_STRIDE = 16
_MSE_CUTS = 96


class Observations:
    """What one tensor was seen to hold, in constant memory: extremes, a histogram of |x|, extremes by channel.

    The histogram spans `[0, edge)`; a larger value doubles the edge by merging neighbours.
    """

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros(BINS, np.int64)
        self.edge = 0.0
        self.low = 0.0
        self.high = 0.0
        self.constant: float | None = None
        """The one value that every element had so far; None once two differ."""
        self.channel_low: Array = np.zeros(0, np.float32)
        self.channel_high: Array = np.zeros(0, np.float32)
        self._seen = False

    @property
    def largest(self) -> float:
        """Largest |x|."""
        return max(abs(self.low), abs(self.high))

    @property
    def degenerate(self) -> bool:
        """No scale can be had: nothing was seen, or never two different values."""
        return not self._seen or self.constant is not None

    def add(self, values: Array) -> None:
        """Take in an array `(B, C, ...)` of finite values."""
        rows = values.reshape(*values.shape[:2], -1)
        lows, highs = rows.min(axis=2).min(axis=0), rows.max(axis=2).max(axis=0)
        low, high = float(lows.min()), float(highs.max())
        self._note_constant(low, high)
        self.low, self.high = (min(self.low, low), max(self.high, high)) if self._seen else (low, high)
        self.channel_low = np.minimum(self.channel_low, lows) if self._seen else lows
        self.channel_high = np.maximum(self.channel_high, highs) if self._seen else highs
        largest = max(abs(low), abs(high))
        self._count(np.abs(_thinned(values)), largest if largest > _NOTHING else 0.0)
        self._seen = True

    def share_beyond(self, limit: float) -> float:
        """Share of the counted values with |x| above a limit, to a bin's width."""
        total = int(self.counts.sum())
        first = int(np.ceil(limit / self.edge * BINS)) if self.edge > 0 else BINS
        return float(self.counts[min(first, BINS) :].sum() / total) if total else 0.0

    def _note_constant(self, low: float, high: float) -> None:
        if low != high or (self._seen and self.constant != low):
            self.constant = None
        elif not self._seen:
            self.constant = low

    def _count(self, magnitudes: Array, largest: float) -> None:
        if self.edge == 0.0:
            self.edge = largest * 1.0001
        if self.edge == 0.0:
            self.counts[0] += magnitudes.size  # nothing but zeros so far
            return
        while largest >= self.edge:
            self.counts = np.concatenate([self.counts.reshape(-1, 2).sum(axis=1), np.zeros(BINS // 2, np.int64)])
            self.edge *= 2.0
        places = (magnitudes * np.float32(BINS / self.edge)).astype(np.int32)
        self.counts += np.bincount(np.minimum(places, BINS - 1), minlength=BINS)


def cut(seen: Observations, calibrator: Calibrator) -> float:
    """The amax of a symmetric int8 range, so that scale = amax / 127; 0 where nothing but zeros was seen."""
    return min(_CUTS[calibrator](seen), seen.largest)


def _min_max(seen: Observations) -> float:
    return seen.largest


def _percentile(seen: Observations) -> float:
    total = np.cumsum(seen.counts)
    if not total[-1]:
        return seen.largest
    place = int(np.searchsorted(total, total[-1] * PERCENTILE / 100.0))
    return (place + 1) / BINS * seen.edge


def _entropy(seen: Observations) -> float:
    """Migacz, 8-bit Inference with TensorRT (GTC 2017): the cut whose quantized histogram diverges least."""
    counts = seen.counts.astype(np.float64)
    counts[0] = counts[1]  # the zeros of a ReLU cost nothing to represent and would drown everything else
    if not counts.any():
        return seen.largest
    cuts = np.arange(LEVELS + 1, BINS + 1, _ENTROPY_STRIDE)
    divergences = [_divergence(counts, int(kept)) for kept in cuts]
    return float(cuts[int(np.argmin(divergences))] / BINS * seen.edge)


def _divergence(counts: Float64, kept: int) -> float:
    """KL divergence of a histogram cut at `kept` bins (the tail piled on the last) from its 128-level form."""
    inside = counts[:kept]
    reference = inside.copy()
    reference[-1] += counts[kept:].sum()
    starts = np.arange(LEVELS + 1) * kept // (LEVELS + 1)
    occupied = np.add.reduceat((inside > 0).astype(np.float64), starts)
    level = np.add.reduceat(inside, starts) / np.maximum(occupied, 1.0)
    widths = np.diff(np.append(starts, kept))
    candidate = np.where(inside > 0, np.repeat(level, widths), 0.0)
    p, q = reference / reference.sum(), candidate / max(float(candidate.sum()), 1e-300)
    where = p > 0
    return float(np.sum(p[where] * np.log(p[where] / np.maximum(q[where], 1e-12))))


def _mean_squared_error(seen: Observations) -> float:
    centres: Float64 = (np.arange(BINS, dtype=np.float64) + 0.5) * (seen.edge / BINS)
    counts = seen.counts.astype(np.float64)
    cuts = np.linspace(0.2, 1.0, _MSE_CUTS) * max(seen.largest, 1e-30)
    errors = [float(np.sum(counts * (centres - _rounded(centres, amax)) ** 2)) for amax in cuts]
    return float(cuts[int(np.argmin(errors))])


def _rounded(values: Float64, amax: float) -> Float64:
    scale = amax / LEVELS
    rounded: Float64 = np.clip(np.rint(values / scale), -LEVELS, LEVELS) * scale
    return rounded


def _thinned(values: Array) -> Array:
    flat = values.reshape(-1)
    # A stride that shares no factor with the usual power-of-two shapes visits every channel.
    stride = -(-len(flat) // _MOST_COUNTED)
    return flat[:: stride + 1 - stride % 2] if stride > 1 else flat


_CUTS: Mapping[Calibrator, Callable[[Observations], float]] = {
    Calibrator.MINMAX: _min_max,
    Calibrator.PERCENTILE: _percentile,
    Calibrator.ENTROPY: _entropy,
    Calibrator.MSE: _mean_squared_error,
}
