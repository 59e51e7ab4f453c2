"""Ways to turn N observations into one template: crystallization and the baselines it must beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from crystaledge_training.mnemosyne.embed import Encoded, crystallize
from crystaledge_training.mnemosyne.scoring import Identities, identities_at
from crystaledge_training.mnemosyne.step import CrystallizationNetwork

CRYSTALLIZED = "crystallized"
CRYSTALLIZED_COSINE = "crystallized, cosine"
_TRIMMED_SHARE = 0.25

Fuse = Callable[[CrystallizationNetwork, Encoded, NDArray[np.int64]], Identities]


def _plain(embedding: Tensor) -> Identities:
    unit = normalize(embedding, dim=1).double().numpy()
    return Identities(unit, np.zeros(len(unit)))


def best_frame(network: CrystallizationNetwork, encoded: Encoded, rows: NDArray[np.int64]) -> Identities:
    """Encoding of the frame with the highest quality."""
    index = torch.from_numpy(rows)
    best = encoded.quality[index].squeeze(2).argmax(dim=1)
    return _plain(encoded.encoding[index[torch.arange(len(index)), best]])


def mean_encoding(network: CrystallizationNetwork, encoded: Encoded, rows: NDArray[np.int64]) -> Identities:
    """Mean of the encodings, each of unit length."""
    return _plain(normalize(encoded.encoding, dim=1)[torch.from_numpy(rows)].mean(dim=1))


def quality_weighted_mean(network: CrystallizationNetwork, encoded: Encoded, rows: NDArray[np.int64]) -> Identities:
    """Mean of the unit-length encodings weighted by quality."""
    index = torch.from_numpy(rows)
    return _plain((normalize(encoded.encoding, dim=1)[index] * encoded.quality[index]).sum(dim=1))


def trimmed_mean(network: CrystallizationNetwork, encoded: Encoded, rows: NDArray[np.int64]) -> Identities:
    """Mean of the unit-length encodings without the quarter farthest from their mean; needs all of them at once."""
    unit = normalize(encoded.encoding, dim=1)[torch.from_numpy(rows)]
    nearness = (unit * unit.mean(dim=1, keepdim=True)).sum(dim=2)
    kept = nearness.topk(rows.shape[1] - _trimmed(rows.shape[1]), dim=1).indices
    return _plain(unit.gather(1, kept.unsqueeze(2).expand(-1, -1, unit.shape[2])).mean(dim=1))


def _trimmed(observations: int) -> int:
    """Two observations cannot outvote each other."""
    return round(_TRIMMED_SHARE * observations) if observations > 2 else 0


def mean_identity(network: CrystallizationNetwork, encoded: Encoded, rows: NDArray[np.int64]) -> Identities:
    """Mean of the identities that each frame gives alone: the GRU as an embedder, without memory."""
    single = crystallize(network, encoded, rows.reshape(-1, 1)).hidden[-1]
    return _plain(normalize(single, dim=1).view(*rows.shape, -1).mean(dim=1))


def crystallized(network: CrystallizationNetwork, encoded: Encoded, rows: NDArray[np.int64]) -> Identities:
    """The state after all observations, with its log-variance."""
    return identities_at(crystallize(network, encoded, rows), -1)


METHODS: Mapping[str, Fuse] = {
    CRYSTALLIZED: crystallized,
    CRYSTALLIZED_COSINE: crystallized,
    "single best frame": best_frame,
    "mean of encodings": mean_encoding,
    "quality-weighted mean": quality_weighted_mean,
    "trimmed mean": trimmed_mean,
    "mean of one-frame identities": mean_identity,
}
"""`CRYSTALLIZED` is scored as the decision parameters say, all others by cosine."""
