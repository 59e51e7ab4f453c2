"""First ranges of activations: a high percentile of what float rollouts show, warm and late states among it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from crystaledge.errors import DataError
from crystaledge_training.quantization.fake_quant import activation_ranges
from crystaledge_training.quantization.rounding import unrounded

_BINS_PER_OCTAVE = 64
_LOWEST_OCTAVE = -24
_HIGHEST_OCTAVE = 24
_BINS = _BINS_PER_OCTAVE * (_HIGHEST_OCTAVE - _LOWEST_OCTAVE)


class MagnitudeHistogram:
    """Counts of |x| other than zero, in 64 bins an octave, for each of some channels.

    Zeros are left out: how often a ReLU closes says nothing about how far its values reach.
    """

    def __init__(self, channels: int) -> None:
        self._counts = torch.zeros(channels, _BINS, dtype=torch.int64)

    def add(self, values: Tensor) -> None:
        """Count values `(channels, n)`."""
        magnitude = values.detach().cpu().float().abs()
        bins = ((magnitude.clamp_min(1e-30).log2() - _LOWEST_OCTAVE) * _BINS_PER_OCTAVE).long().clamp(0, _BINS - 1)
        rows = torch.arange(len(values)).unsqueeze(1) * _BINS
        seen = (bins + rows)[magnitude > 0]
        self._counts += torch.bincount(seen, minlength=self._counts.numel()).view_as(self._counts)

    def percentile(self, share: float) -> Tensor:
        """Upper edge of the bin below which `share` of each channel's values lie, `(channels,)`; 0 without values."""
        reached = self._counts.cumsum(dim=1)
        total = reached[:, -1:]
        index = (reached < (total.double() * share).ceil().clamp_min(1)).sum(dim=1)
        edge = torch.exp2((index + 1).double() / _BINS_PER_OCTAVE + _LOWEST_OCTAVE).float()
        return torch.where(total.squeeze(1) > 0, edge, 0.0)


@contextmanager
def observing(module: nn.Module, *, share: float) -> Iterator[None]:
    """Set the ranges of a module from what its forward calls in this context see, with rounding off.

    Args:
        share: in (0, 1]; the range ends where this share of the values lies below.

    Raises:
        DataError: on leaving, where a range has seen no value but zero.
    """
    ranges = {held: name for name, held in activation_ranges(module).items()}
    histograms = {held: MagnitudeHistogram(1) for held in ranges}
    for held, histogram in histograms.items():
        held.observer = partial(_note, histogram)
    try:
        with unrounded(module), torch.no_grad():
            yield
    finally:
        for held in ranges:
            held.observer = None
    for held, histogram in histograms.items():
        end = float(histogram.percentile(share))
        if not end > 0.0:
            msg = f"No value but zero was seen where {ranges[held]!r} is wanted; run more data through the network."
            raise DataError(msg)
        held.log_amax.data.fill_(math.log(end))


def _note(histogram: MagnitudeHistogram, values: Tensor) -> None:
    histogram.add(values.reshape(1, -1))
