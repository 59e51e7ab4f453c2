"""Batches of sequences for metric learning: P people, two disjoint sequences each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset

from crystaledge_training.data.frames import FrameStore


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceConfig:
    """Shape of a batch."""

    people: int = 32
    longest: int = 6
    loose_frames: int = 64
    """Frames in a batch of the encoder's own epochs."""
    draws_per_person: int = 8
    """Most draws of one person in an epoch; a person with n images gets ceil(n / 4) of them."""


class SequenceBatch(NamedTuple):
    """`S` padded sequences of at most `T` frames, as valid frames alone.

    A named tuple, since Lightning moves those between devices and refuses frozen dataclasses.
    """

    frames: Tensor
    """uint8 `(valid.sum(), 3, H, W)`, in the row-major order of `valid`."""
    valid: Tensor
    """bool `(T, S)`."""
    people: Tensor
    """int64 `(S,)`: index of the person; anchor and positive of one person are neighbours."""


def draw_disjoint(
    rows: NDArray[np.int64], longest: int, generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two sequences of one person without a frame in common, each drawn without replacement.

    Both have `min(longest, len(rows) // 2)` frames; `len(rows)` is at least 2.
    """
    length = min(longest, len(rows) // 2)
    shuffled = generator.permutation(rows)
    return shuffled[:length], shuffled[length : 2 * length]


class EpochOfSequences(IterableDataset[SequenceBatch]):
    """The batches of one epoch: a pure function of (store, configuration, seed, epoch)."""

    def __init__(self, store: FrameStore, config: SequenceConfig, *, seed: int, epoch: int) -> None:
        self._store = store
        self._config = config
        self._generator_seed = (seed, epoch)

    def __len__(self) -> int:
        return sum(len(chunk) > 1 for chunk in self._chunks(np.random.default_rng(0)))

    def __iter__(self) -> Iterator[SequenceBatch]:
        generator = np.random.default_rng(self._generator_seed)
        for chunk in self._chunks(generator):
            if len(chunk) > 1:
                yield self._batch(chunk, generator)

    def _chunks(self, generator: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        counts = self._store.counts
        draws = np.minimum(np.ceil(counts / 4).astype(int), self._config.draws_per_person)
        for rank in range(self._config.draws_per_person):
            eligible = generator.permutation(np.flatnonzero((counts >= 2) & (draws > rank)))
            yield from np.split(eligible, range(self._config.people, len(eligible), self._config.people))

    def _batch(self, people: NDArray[np.int64], generator: np.random.Generator) -> SequenceBatch:
        longest = int(generator.integers(1, self._config.longest + 1))
        sequences: list[NDArray[np.int64]] = []
        for person in people:
            sequences.extend(draw_disjoint(self._store.rows_of(int(person)), longest, generator))
        return collate(self._store, sequences, np.repeat(people, 2))


class EpochOfFrames(IterableDataset[SequenceBatch]):
    """One pass over all frames as sequences of one, for the encoder: many people in each batch."""

    def __init__(self, store: FrameStore, config: SequenceConfig, *, seed: int, epoch: int) -> None:
        self._store = store
        self._size = config.loose_frames
        self._generator_seed = (seed, epoch)

    def __len__(self) -> int:
        return max(1, len(self._store.pixels) // self._size)

    def __iter__(self) -> Iterator[SequenceBatch]:
        order = np.random.default_rng(self._generator_seed).permutation(len(self._store.pixels))
        for start in range(0, len(self) * self._size, self._size):
            rows = order[start : start + self._size]
            yield collate(self._store, list(rows[:, None]), self._store.person[rows])


def collate(store: FrameStore, sequences: list[NDArray[np.int64]], owners: NDArray[np.int64]) -> SequenceBatch:
    """Pad sequences of row numbers into one batch."""
    lengths = np.array([len(s) for s in sequences])
    table = np.zeros((lengths.max(), len(sequences)), np.int64)
    for column, sequence in enumerate(sequences):
        table[: len(sequence), column] = sequence
    valid = np.arange(lengths.max())[:, None] < lengths[None, :]
    frames = torch.from_numpy(store.pixels[table[valid]]).permute(0, 3, 1, 2)
    return SequenceBatch(frames.contiguous(), torch.from_numpy(valid), torch.from_numpy(owners))
