"""Long tracks for closed-loop training: few images of a person, over and over, some of them long under way."""

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
class TrackConfig:
    """Shape of a batch."""

    tracks: int = 96
    images: int = 4
    """Images a track is made of. An encoder without state needs to see each only once, however long the track."""
    unrolled: int = 32
    """Steps that gradients go back through: slow directions of the state need many."""
    longest_warm_up: int = 256
    """Most steps before them, without gradients; one number a batch, whose logarithm is uniform."""
    warm_share: float = 0.6
    """Share of a batch's tracks that start warm; the rest start from the zero state."""


class TrackBatch(NamedTuple):
    """`B` tracks of `T` steps with gradients; the first `V` of them have `W` steps without before those."""

    warm_rows: Tensor
    """int64 `(W, V)`: row numbers in the frame store."""
    rows: Tensor
    """int64 `(T, B)`: row numbers in the frame store."""
    frames: Tensor
    """uint8 `(U, h, w, 3)`: the different frames of `rows`."""
    place: Tensor
    """int64 `(T, B)`: the place of each of `rows` in `frames`."""


class EpochOfTracks(IterableDataset[TrackBatch]):
    """The batches of one epoch: a pure function of (store, configuration, seed, epoch)."""

    def __init__(self, store: FrameStore, config: TrackConfig, *, batches: int, seed: int, epoch: int) -> None:
        self._store = store
        self._config = config
        self._batches = batches
        self._generator_seed = (seed, epoch)

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[TrackBatch]:
        generator = np.random.default_rng(self._generator_seed)
        for _ in range(self._batches):
            yield self._batch(generator)

    def _batch(self, generator: np.random.Generator) -> TrackBatch:
        config = self._config
        warm_up = int(np.exp(generator.random() * np.log(config.longest_warm_up)))
        rows = self._rows(generator, warm_up + config.unrolled)
        distinct, place = np.unique(rows[warm_up:], return_inverse=True)
        return TrackBatch(
            warm_rows=torch.from_numpy(rows[:warm_up, : round(config.warm_share * config.tracks)]),
            rows=torch.from_numpy(rows[warm_up:]),
            frames=torch.from_numpy(self._store.pixels[distinct]),
            place=torch.from_numpy(place.reshape(rows[warm_up:].shape)),
        )

    def _rows(self, generator: np.random.Generator, steps: int) -> NDArray[np.int64]:
        """Row numbers `(steps, tracks)`; people with many images come more often, but not in proportion."""
        counts = self._store.counts
        chance = np.sqrt(counts)
        people = generator.choice(len(counts), self._config.tracks, p=chance / chance.sum())
        first = (np.cumsum(counts) - counts)[people]
        images = first + (generator.random((self._config.images, len(people))) * counts[people]).astype(np.int64)
        order = generator.integers(0, self._config.images, (steps, len(people)))
        return np.take_along_axis(images, order, axis=0)


def with_mirrors(store: FrameStore) -> FrameStore:
    """Every person twice, the second time mirrored: to the network a mirrored face is another one."""
    people = len(store.names)
    return FrameStore(
        np.concatenate([store.pixels, store.pixels[:, :, ::-1]]),
        np.concatenate([store.person, store.person + people]),
        store.names + tuple(f"{name} mirrored" for name in store.names),
    )
