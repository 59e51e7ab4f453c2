"""Int8 rounding in the forward pass: the arithmetic of ONNX QuantizeLinear and DequantizeLinear, with gradients.

The rounding itself is PyTorch's own `fake_quantize_per_tensor_affine` at scale 1, on values divided by their
scale and multiplied back. So the division is ONNX's (PyTorch's operator would multiply by a rounded inverse),
scales may differ by channel, and autograd gives the scale the gradient of learned step sizes (LSQ,
arXiv:1902.08153) without a hand-written backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

LEVELS = 127
"""Steps from zero to the end of a range: scale = range / 127."""
_SMALLEST = 1e-12


def round_to_int8(x: Tensor, scale: Tensor, *, lowest: int) -> Tensor:
    """`x` in whole steps of `scale` (broadcast), ties to even, kept within [lowest, 127] steps.

    Gradients pass straight through within the range and stop outside of it; `scale` gets its own.
    """
    return torch.fake_quantize_per_tensor_affine(x / scale, 1.0, 0, lowest, LEVELS) * scale


def channel_scale(weight: Tensor) -> Tensor:
    """max|w| / 127 of each output channel (first axis), shaped to broadcast: `(O, 1, ...)`; no gradient."""
    largest = weight.detach().abs().flatten(1).amax(dim=1).clamp_min(_SMALLEST)
    return (largest / LEVELS).view(-1, *[1] * (weight.ndim - 1))


class WeightRounding(nn.Module):
    """A parametrization of weights `(O, ...)`: symmetric int8 in [-127, 127], one scale an output channel."""

    def __init__(self) -> None:
        super().__init__()
        self.enabled = True

    def forward(self, weight: Tensor) -> Tensor:
        return round_to_int8(weight, channel_scale(weight), lowest=-LEVELS) if self.enabled else weight


class ActivationRange(nn.Module):
    """Symmetric int8 in [-128, 127] with one learned range a tensor; shared by all that read the same tensor."""

    def __init__(self) -> None:
        super().__init__()
        # The logarithm keeps the range positive and makes a learning rate mean the same for every tensor.
        self.log_amax = nn.Parameter(torch.zeros(()))
        self.enabled = True
        self.observer: Callable[[Tensor], None] | None = None

    @property
    def amax(self) -> Tensor:
        """End of the range, a scalar; scale = amax / 127."""
        return self.log_amax.exp()

    def forward(self, x: Tensor) -> Tensor:
        if self.observer is not None:
            self.observer(x.detach())
        return round_to_int8(x, self.amax / LEVELS, lowest=-LEVELS - 1) if self.enabled else x


@contextmanager
def unrounded(module: nn.Module) -> Iterator[None]:
    """Switch all rounding of a module off for a while: it computes in float."""
    switched = [m for m in module.modules() if isinstance(m, (WeightRounding, ActivationRange)) and m.enabled]
    for rounding in switched:
        rounding.enabled = False
    try:
        yield
    finally:
        for rounding in switched:
            rounding.enabled = True
