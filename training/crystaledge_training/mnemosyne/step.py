"""What every crystallization network is to the rest of this room: an encoder, a pure step, and a state of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from crystaledge_training.mnemosyne.config import MnemosyneConfig


class Step(NamedTuple):
    """What one observation gives."""

    hidden: Tensor
    """The next state, `(B, hidden)`."""
    velocity: Tensor
    """Movement of the state at this step, in (0, 1), `(B, 1)`."""
    log_variance: Tensor
    """Log of the variance per dimension of the unit-length identity, `(B, 1)`."""
    quality: Tensor
    """Weight given to this observation, in (0, 1), `(B, 1)`."""


class CrystallizationNetwork(nn.Module, ABC):
    """Encodes a face and lets it change a state; the state, divided by its norm, is the identity.

    The module holds no temporal state: the step is a pure function of (face, hidden), which is what makes it
    exportable.
    """

    def __init__(self, config: MnemosyneConfig) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def encode(self, face: Tensor) -> tuple[Tensor, Tensor]:
        """Encoding `(B, encoding)` and quality `(B, 1)` in (0, 1) of faces `(B, 3, H, W)`."""

    @abstractmethod
    def absorb(self, encoding: Tensor, quality: Tensor, hidden: Tensor) -> Step:
        """Let one encoded observation change the state."""

    @abstractmethod
    def certainty(self, hidden: Tensor) -> Tensor:
        """What the log-variance is a linear function of: `(B, hidden)` to `(B, F)`."""

    @abstractmethod
    def set_log_variance(self, weight: Tensor, bias: float) -> None:
        """Make the log-variance `certainty(hidden) @ weight + bias`, weight `(F,)`."""

    def forward(self, face: Tensor, hidden: Tensor) -> Step:
        """One step: faces `(B, 3, H, W)` and states `(B, hidden)`, zeros for a new track."""
        encoding, quality = self.encode(face)
        return self.absorb(encoding, quality, hidden)

    def initial_state(self, batch: int) -> Tensor:
        """Zeros `(batch, hidden)` beside the parameters."""
        return torch.zeros(batch, self.config.hidden, device=self.device)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device
