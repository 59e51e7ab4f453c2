"""The wide variant: an encoder that takes all the parameters, and a state that sums evidence.

A GRU of 31,000 parameters lost to the mean of what it was fed. What a state needs in order to win is little: to know
how good an observation is, whether it agrees with what was seen before, and how much was seen before.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crystaledge_training.mnemosyne.config import MnemosyneConfig
from crystaledge_training.mnemosyne.step import CrystallizationNetwork, Step
from crystaledge_training.mnemosyne.wide_encoder import FEATURES, WideEncoder

_WEIGHING_UNITS = 10
_SMALLEST_LENGTH = 1e-6
_LENGTH_OFFSET = 0.05
"""Keeps the logarithm of a new state's length, which is 0, finite."""
_LASTING = 4.0
"""Start of the logit of how much of a state is kept: nearly all."""


class EvidenceSum(nn.Module):
    """`h' = a h + w u`: the state keeps a share of itself and adds the unit-length encoding by its weight.

    The weight is quality times a factor; factor and share are functions of (log quality, cosine of encoding and state,
    log length of the state), 62 parameters. An encoding that disagrees with a long state is somebody else, or nobody;
    one that disagrees with a short state may be the right one. The state's length says how much evidence it holds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Linear(3, _WEIGHING_UNITS)
        self.weigh = nn.Linear(_WEIGHING_UNITS, 2)
        nn.init.zeros_(self.weigh.weight)
        with torch.no_grad():
            self.weigh.bias.copy_(torch.tensor([0.0, _LASTING]))

    def forward(self, encoding: Tensor, quality: Tensor, hidden: Tensor) -> Tensor:
        """`(B, D)`, `(B, 1)` in (0, 1) and the state `(B, D)` to the next state."""
        unit, length = _unit(encoding), _length(hidden)
        agreement = (hidden * unit).sum(dim=1, keepdim=True) / length
        seen = torch.cat([quality.log(), agreement, (length + _LENGTH_OFFSET).log()], dim=1)
        factor, share = self.weigh(torch.tanh(self.seen(seen))).split(1, dim=1)
        following: Tensor = torch.sigmoid(share) * hidden + quality * factor.exp() * unit
        return following


class WideMnemosyne(CrystallizationNetwork):
    """The variant's crystallization step; see `Step` for shapes and ranges."""

    def __init__(self, config: MnemosyneConfig) -> None:
        super().__init__(config)
        self.encoder = WideEncoder(config.encoding)
        self.quality = nn.Linear(FEATURES, 1)
        self.evidence = EvidenceSum()
        self.log_variance = nn.Linear(1, 1)

    def encode(self, face: Tensor) -> tuple[Tensor, Tensor]:
        """Encoding `(B, encoding)` and quality `(B, 1)` in (0, 1) of faces `(B, 3, 64, 64)`."""
        features, encoding = self.encoder(face)
        return encoding, self.quality_of(features)

    def quality_of(self, features: Tensor) -> Tensor:
        """`(B, 56)` to `(B, 1)` in (0, 1)."""
        # Within what a float's logarithm bears, whatever the logit.
        return torch.sigmoid(self.quality(features)).clamp(1e-4, 1.0)

    def absorb(self, encoding: Tensor, quality: Tensor, hidden: Tensor) -> Step:
        """Let one encoded observation change the state.

        The velocity is measured, not predicted: half the distance between the unit-length identities before and after.
        """
        following = self.evidence(encoding, quality, hidden)
        moved = _unit(following) - hidden / _length(hidden)
        velocity = 0.5 * moved.square().sum(dim=1, keepdim=True).clamp_min(_SMALLEST_LENGTH**2).sqrt()
        return Step(following, velocity, self.log_variance(self.certainty(following)), quality)

    def certainty(self, hidden: Tensor) -> Tensor:
        """Log of the state's length, `(B, 1)`."""
        return (_length(hidden) + _LENGTH_OFFSET).log()

    @torch.no_grad()
    def set_log_variance(self, weight: Tensor, bias: float) -> None:
        """The only two numbers there are."""
        self.log_variance.weight.copy_(weight.view(1, 1))
        self.log_variance.bias.fill_(bias)


def _unit(rows: Tensor) -> Tensor:
    """Rows over their lengths; torch's own `normalize` computes shapes in the graph."""
    return rows / _length(rows)


def _length(rows: Tensor) -> Tensor:
    """`(B, 1)`, at least a millionth, with a gradient at zero."""
    return rows.square().sum(dim=1, keepdim=True).clamp_min(_SMALLEST_LENGTH**2).sqrt()
