"""Sequences of views of one person, spoilt and contaminated, as row numbers into a table of features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystaledge.errors import DataError
from crystaledge_training.mnemosyne.wide_views import Views


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceConfig:
    """What a sequence may hold."""

    lengths: tuple[int, ...] = (1, 2, 3, 5, 8, 12)
    """One is drawn a batch; each sequence of it is between half as long and as long."""
    worst_share: float = 0.6
    """Of bad observations; the share of a batch is drawn between 0 and this."""
    strangers: float = 0.2
    """Share of the bad observations that show somebody else."""


@dataclass(frozen=True, slots=True)
class Sequences:
    """Two sequences of each of some people, that share no image of the person: all first ones, then all second ones."""

    view: Tensor
    """int64 `(2 B, T)`."""
    row: Tensor
    """int64 `(2 B, T)`."""
    valid: Tensor
    """bool `(2 B, T)`."""


class SequenceSource:
    """Draws people, by the root of how many images they have, and sequences of them.

    Raises:
        DataError: fewer than two people with two images.
    """

    def __init__(self, views: Views, config: SequenceConfig, *, seed: int) -> None:
        self._views, self._config = views, config
        self._generator = np.random.default_rng(seed)
        self._count = np.bincount(views.person)
        self._start = np.cumsum(self._count) - self._count
        self._paired = np.flatnonzero(self._count >= 2)
        if len(self._paired) < 2:
            msg = f"{len(self._paired)} people have two images or more; at least 2 are needed to tell people apart."
            raise DataError(msg)
        chance = np.sqrt(self._count[self._paired])
        self._chance = chance / chance.sum()

    def draw(self, people: int, *, lengths: tuple[int, ...] | None = None) -> Sequences:
        """Sequences of that many people, or of as many as there are."""
        generator, config = self._generator, self._config
        chosen = generator.choice(self._paired, min(people, len(self._paired)), replace=False, p=self._chance)
        longest = int(generator.choice(lengths or config.lengths))
        rows = np.stack([self._halves(person, longest) for person in chosen.tolist()], axis=1)
        bad = generator.random(rows.shape) < generator.uniform(0.0, config.worst_share)
        plain = self._views.plain
        view = np.where(
            bad,
            generator.integers(plain, len(self._views.features), rows.shape),
            generator.integers(0, plain, rows.shape),
        )
        stranger = bad & (generator.random(rows.shape) < config.strangers)
        rows = np.where(stranger, generator.integers(0, len(self._views.person), rows.shape), rows)
        ends = generator.integers(max(1, longest // 2), longest + 1, rows.shape[:2])
        valid = np.arange(longest) < ends[..., None]
        flat = (-1, longest)
        return Sequences(*(torch.from_numpy(np.ascontiguousarray(a.reshape(flat))) for a in (view, rows, valid)))

    def _halves(self, person: int, length: int) -> NDArray[np.int64]:
        """`(2, length)` rows: each line draws, with repetition, from its own half of a person's images."""
        shuffled = self._generator.permutation(self._count[person]) + self._start[person]
        middle = len(shuffled) // 2
        halves = shuffled[:middle], shuffled[middle:]
        return np.stack([half[self._generator.integers(0, len(half), length)] for half in halves])
