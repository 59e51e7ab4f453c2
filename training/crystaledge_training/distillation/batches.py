"""Which images make a batch: people drawn by the root of their images, some images of each, and pairs to blend."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset

from crystaledge_training.distillation.config import BatchConfig

Rows = NDArray[np.int64]


class Draw(NamedTuple):
    """Row numbers of a batch; a named tuple, since Lightning moves those between devices."""

    rows: Tensor
    """int64 `(ordinary + severe,)`; neighbours show one person, and may be one image."""
    people: Tensor
    """int64 `(ordinary + severe,)`."""
    first: Tensor
    second: Tensor
    """int64 `(blends,)`: whom to blend with whom."""


class EpochOfDraws(IterableDataset[Draw]):
    """The batches of one epoch: a pure function of (people, configuration, seed, epoch)."""

    def __init__(self, person: Rows, config: BatchConfig, *, steps: int, seed: int, epoch: int) -> None:
        """Take the people of all rows: `person` rises from 0, one block a person."""
        self._counts = np.bincount(person)
        self._starts = np.cumsum(self._counts) - self._counts
        self._chance = np.sqrt(self._counts) / np.sqrt(self._counts).sum()
        self._config = config
        self._steps = steps
        self._generator_seed = (seed, epoch)

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[Draw]:
        generator = np.random.default_rng(self._generator_seed)
        ordinary, blends, severe = self._config.shares
        for _ in range(self._steps):
            each = self._config.images_per_person
            rows, people = self._draw((ordinary + severe) // each, each, generator)
            first, second = (self._draw(blends, 1, generator)[0] for _ in range(2))
            yield Draw(*(torch.from_numpy(a) for a in (rows, people, first, second)))

    def _draw(self, people: int, images: int, generator: np.random.Generator) -> tuple[Rows, Rows]:
        who = np.repeat(generator.choice(len(self._counts), people, p=self._chance), images)
        return self._starts[who] + generator.integers(0, self._counts[who]), who
