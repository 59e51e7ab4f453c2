"""Equal ranges for the channels of a tensor, by moving scale from the weights before it to those after it.

A range for a whole tensor rounds every channel with the step of the widest one. Between two layers with
nothing but ReLU, addition and means in between, channel c may be divided by any positive f(c) in the first
and multiplied by it in the second without changing the function (cross-layer equalisation,
arXiv:1906.04721). Here f is the channel's own reach, so that every channel uses all of the range; the
uneven weights behind it are what the training that follows puts right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from crystaledge_training.quantization.ranges import MagnitudeHistogram

Layer = nn.Conv2d | nn.Linear | nn.GRUCell
_SILENT = 1e-3
"""Share of the widest channel's reach below which a channel counts as silent; such ones are left as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """One tensor, `(B, C)` or `(B, C, H, W)`: the layers that make it, and all that read it.

    A GRU cell reads it as its input. Nothing else may depend on the tensor's scale.
    """

    makers: tuple[nn.Conv2d | nn.Linear, ...]
    readers: tuple[Layer, ...]


def equalise(boundaries: Iterable[Boundary], run: Callable[[], object], *, share: float) -> None:
    """Rescale the layers around each boundary, in place; the function stays the same but for float rounding.

    Args:
        run: runs example data through the network.
        share: in (0, 1]; a channel's reach is where this share of its values lies below.
    """
    boundaries = tuple(boundaries)
    reaches = _reaches(boundaries, run, share)
    for boundary, reach in zip(boundaries, reaches, strict=True):
        _rescale(boundary, _factors(reach))


def _reaches(boundaries: tuple[Boundary, ...], run: Callable[[], object], share: float) -> list[Tensor]:
    histograms = [MagnitudeHistogram(b.makers[0].weight.shape[0]) for b in boundaries]
    handles = [
        boundary.readers[0].register_forward_pre_hook(partial(_note, histogram))
        for boundary, histogram in zip(boundaries, histograms, strict=True)
    ]
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    return [histogram.percentile(share) for histogram in histograms]


def _factors(reach: Tensor) -> Tensor:
    """What to divide each channel by, `(C,)`: its reach, in units of the geometric mean of all that speak."""
    speaks = reach > _SILENT * reach.max()
    mean = reach[speaks].log().mean().exp()
    return torch.where(speaks, reach / mean, 1.0)


def _note(histogram: MagnitudeHistogram, layer: nn.Module, arguments: tuple[Any, ...]) -> None:
    histogram.add(arguments[0].transpose(0, 1).flatten(1))


@torch.no_grad()
def _rescale(boundary: Boundary, factor: Tensor) -> None:
    for maker in boundary.makers:
        factor = factor.to(maker.weight)
        maker.weight.div_(factor.view(-1, *[1] * (maker.weight.ndim - 1)))
        if maker.bias is not None:
            maker.bias.div_(factor)
    for reader in boundary.readers:
        weight = reader.weight_ih if isinstance(reader, nn.GRUCell) else reader.weight
        depthwise = isinstance(reader, nn.Conv2d) and reader.groups > 1
        weight.mul_(factor.view(*((-1, 1) if depthwise else (1, -1)), *[1] * (weight.ndim - 2)))
