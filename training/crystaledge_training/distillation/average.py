"""The running average of an encoder over its steps, batch-norm statistics included, which is what is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Update = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]


def decay_at(count: int, decay: float) -> float:
    """Weight of the past after `count` steps: short at first, so that the start is soon forgotten."""
    return min(decay, (count + 1) / (count + 10))


def running_average(network: nn.Module, decay: float) -> AveragedModel:
    """A copy that follows: mean <- k mean + (1 - k) now; whole numbers are copied."""

    def update(mean: Sequence[Tensor], now: Sequence[Tensor], count: Tensor | int) -> None:
        weight = 1.0 - decay_at(int(count), decay)
        for average, current in zip(mean, now, strict=True):
            if average.is_floating_point():
                average.lerp_(current, weight)
            else:
                average.copy_(current)

    average = AveragedModel(network, multi_avg_fn=update, use_buffers=True)
    return average.requires_grad_(False)
