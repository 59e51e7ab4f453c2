"""Mnemosyne: face identity by repeated observation (43,379 parameters at the default sizes).

A small CNN encodes a face, a quality gate weighs the observation, a GRU cell absorbs it. The
hidden state, divided by its norm, is the identity. The module itself holds no temporal state: the
step is a pure function of (face, hidden), which is what makes it exportable.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from crystaledge_training.blocks import DepthwiseResidual
from crystaledge_training.initialisation import initialise
from crystaledge_training.mnemosyne.config import MnemosyneConfig, QualityGate


class Step(NamedTuple):
    """What one observation gives."""

    hidden: Tensor
    """The next state, `(B, hidden)`."""
    velocity: Tensor
    """Predicted movement of the state at this step, in (0, 1), `(B, 1)`."""
    log_variance: Tensor
    """Log of the variance per dimension of the unit-length identity, `(B, 1)`."""
    quality: Tensor
    """Weight given to this observation, in (0, 1), `(B, 1)`."""


class FaceEncoder(nn.Module):
    """Faces to non-negative encodings: `(B, 3, H, W)` to `(B, encoding)`."""

    def __init__(self, encoding: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16))
        self.blocks = nn.Sequential(DepthwiseResidual(16, 24), DepthwiseResidual(24, 32), DepthwiseResidual(32, 48))
        self.projection = nn.Linear(48, encoding)

    def forward(self, face: Tensor) -> Tensor:
        features = self.blocks(functional.relu(self.stem(face)))
        return functional.relu(self.projection(features.mean(dim=(2, 3))))


class Mnemosyne(nn.Module):
    """The crystallisation step and its parts; see `Step` for shapes and ranges."""

    def __init__(self, config: MnemosyneConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = FaceEncoder(config.encoding)
        self.quality = nn.Linear(config.encoding, 1)
        self.cell = nn.GRUCell(config.encoding, config.hidden)
        self.convergence = nn.Linear(config.hidden, 2)
        self.apply(initialise)

    def encode(self, face: Tensor) -> tuple[Tensor, Tensor]:
        """Encoding `(B, encoding)`, at least 0, and quality `(B, 1)` in (0, 1) of faces `(B, 3, H, W)`."""
        encoding = self.encoder(face)
        return encoding, torch.sigmoid(self.quality(encoding))

    def absorb(self, encoding: Tensor, quality: Tensor, hidden: Tensor) -> Step:
        """Let one encoded observation change the state."""
        if self.config.gate is QualityGate.INPUT:
            following = self.cell(quality * encoding, hidden)
        else:
            following = hidden + quality * (self.cell(encoding, hidden) - hidden)
        raw_velocity, log_variance = self.convergence(following).split(1, dim=1)
        return Step(following, torch.sigmoid(raw_velocity), log_variance, quality)

    def forward(self, face: Tensor, hidden: Tensor) -> Step:
        """One step: faces `(B, 3, H, W)` and states `(B, hidden)`, zeros for a new track."""
        encoding, quality = self.encode(face)
        return self.absorb(encoding, quality, hidden)

    def initial_state(self, batch: int) -> Tensor:
        """Zeros `(batch, hidden)` beside the parameters."""
        return torch.zeros(batch, self.config.hidden, device=self.convergence.weight.device)
