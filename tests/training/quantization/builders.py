"""A small network with everything in it that quantization has to treat, for the tests of this room."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from crystaledge_training.quantization.rounding import ActivationRange


class SmallRecurrent(nn.Module):
    """A residual convolution, two readers of one encoding, a GRU cell, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(2, 6, 3, 2, 1), nn.BatchNorm2d(6))
        self.depthwise = nn.Conv2d(6, 6, 3, 1, 1, groups=6)
        self.shortcut = nn.Conv2d(6, 6, 1)
        self.gate = nn.Sequential(nn.Linear(6, 1), nn.BatchNorm1d(1))
        self.cell = nn.GRUCell(6, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, image: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images `(B, 2, H, W)` and states `(B, 4)` to the next state, `(B, 2)` and `(B, 1)`."""
        features = functional.relu(self.stem(image))
        encoding = functional.relu(self.depthwise(features) + self.shortcut(features)).mean(dim=(2, 3))
        following = self.cell(encoding, state)
        return following, self.head(following), self.gate(encoding)


def small_network(seed: int = 0) -> SmallRecurrent:
    """Random in everything, batch-norm statistics included; in inference mode."""
    generator = torch.Generator().manual_seed(seed)
    network = SmallRecurrent()
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            low, high = (0.5, 1.5) if name.endswith("running_var") else (-0.9, 0.9)
            tensor.uniform_(low, high, generator=generator)
    return network.eval()


def example(batch: int = 3, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Images and states."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 2, 8, 8, generator=generator), torch.rand(batch, 4, generator=generator) - 0.5


def set_range(held: ActivationRange, amax: float) -> None:
    """Put the end of a range somewhere."""
    held.log_amax.data.copy_(torch.tensor(amax).log())
