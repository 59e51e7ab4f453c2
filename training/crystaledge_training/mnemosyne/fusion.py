"""Ways to turn N observations into one template: crystallization and the baselines it must beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from crystaledge_training.mnemosyne.embed import Encoded, crystallize
from crystaledge_training.mnemosyne.network import Mnemosyne
from crystaledge_training.mnemosyne.scoring import Identities, identities_at

CRYSTALLIZED = "crystallized"
CRYSTALLIZED_COSINE = "crystallized, cosine"

Fuse = Callable[[Mnemosyne, Encoded, NDArray[np.int64]], Identities]


def _plain(embedding: Tensor) -> Identities:
    unit = normalize(embedding, dim=1).double().numpy()
    return Identities(unit, np.zeros(len(unit)))


def best_frame(network: Mnemosyne, encoded: Encoded, rows: NDArray[np.int64]) -> Identities:
    """Encoding of the frame with the highest quality."""
    index = torch.from_numpy(rows)
    best = encoded.quality[index].squeeze(2).argmax(dim=1)
    return _plain(encoded.encoding[index[torch.arange(len(index)), best]])


def mean_encoding(network: Mnemosyne, encoded: Encoded, rows: NDArray[np.int64]) -> Identities:
    """Mean of the encodings, each of unit length."""
    return _plain(normalize(encoded.encoding, dim=1)[torch.from_numpy(rows)].mean(dim=1))


def quality_weighted_mean(network: Mnemosyne, encoded: Encoded, rows: NDArray[np.int64]) -> Identities:
    """Mean of the unit-length encodings weighted by quality."""
    index = torch.from_numpy(rows)
    return _plain((normalize(encoded.encoding, dim=1)[index] * encoded.quality[index]).sum(dim=1))


def mean_identity(network: Mnemosyne, encoded: Encoded, rows: NDArray[np.int64]) -> Identities:
    """Mean of the identities that each frame gives alone: the GRU as an embedder, without memory."""
    single = crystallize(network, encoded, rows.reshape(-1, 1)).hidden[-1]
    return _plain(normalize(single, dim=1).view(*rows.shape, -1).mean(dim=1))


def crystallized(network: Mnemosyne, encoded: Encoded, rows: NDArray[np.int64]) -> Identities:
    """The state after all observations, with its log-variance."""
    return identities_at(crystallize(network, encoded, rows), -1)


METHODS: Mapping[str, Fuse] = {
    CRYSTALLIZED: crystallized,
    CRYSTALLIZED_COSINE: crystallized,
    "single best frame": best_frame,
    "mean of encodings": mean_encoding,
    "quality-weighted mean": quality_weighted_mean,
    "mean of one-frame identities": mean_identity,
}
"""`CRYSTALLIZED` is scored as the decision parameters say, all others by cosine."""
