"""Mnemosyne: face identity by repeated observation (43,379 parameters at the default sizes).

A small CNN encodes a face, a quality gate weighs the observation, a GRU cell absorbs it. The
hidden state, divided by its norm, is the identity.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from crystaledge_training.blocks import DepthwiseResidual
from crystaledge_training.initialisation import initialise
from crystaledge_training.mnemosyne.config import MnemosyneConfig, QualityGate
from crystaledge_training.mnemosyne.step import CrystallizationNetwork, Step


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


class Mnemosyne(CrystallizationNetwork):
    """The published crystallisation step and its parts; see `Step` for shapes and ranges."""

    def __init__(self, config: MnemosyneConfig) -> None:
        super().__init__(config)
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

    def certainty(self, hidden: Tensor) -> Tensor:
        """The state itself."""
        return hidden

    @torch.no_grad()
    def set_log_variance(self, weight: Tensor, bias: float) -> None:
        """The second row of the convergence head."""
        self.convergence.weight[1] = weight
        self.convergence.bias[1] = bias
