"""Batches of training pictures, each a function of (seed, epoch, batch)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from crystaledge_training.phantom.picture import Picture


class PictureBatch(NamedTuple):
    """Training pictures with their boxes, padded to the largest number."""

    pixels: Tensor
    """uint8 `(B, 3, H, W)`."""
    box_xyxy: Tensor
    """float32 `(B, N, 4)`."""
    kind: Tensor
    """int64 `(B, N)`: 1 a face, 0 an ignored region, -1 padding."""


class PictureSource(Protocol):
    """Draws training pictures."""

    def draw(self, random: np.random.Generator) -> Picture:
        """One picture; the same for the same state of `random`."""
        ...


@dataclass(frozen=True, slots=True)
class WeightedSource:
    """A source and the share of pictures that come from it."""

    source: PictureSource
    share: float


class EpochOfPictures(Dataset[PictureBatch]):
    """The batches of one epoch."""

    def __init__(
        self, sources: Sequence[WeightedSource], *, batches: int, batch_size: int, seed: int, epoch: int
    ) -> None:
        self._sources = [weighted.source for weighted in sources]
        self._shares = np.cumsum([weighted.share for weighted in sources])
        self._batches, self._batch_size = batches, batch_size
        self._key = (seed, epoch)

    def __len__(self) -> int:
        return self._batches

    def __getitem__(self, index: int) -> PictureBatch:
        if not 0 <= index < self._batches:  # the protocol by which a plain sequence ends
            raise IndexError(index)
        random = np.random.default_rng((0x9C7, *self._key, index))
        return stack([self._draw(random) for _ in range(self._batch_size)])

    def _draw(self, random: np.random.Generator) -> Picture:
        place = random.random() * self._shares[-1]
        return self._sources[int(np.searchsorted(self._shares, place, side="right"))].draw(random)


def stack(pictures: Sequence[Picture]) -> PictureBatch:
    """Pictures of one size as a batch."""
    most = max(1, max(len(p.kind) for p in pictures))
    boxes = np.zeros((len(pictures), most, 4), np.float32)
    kinds = np.full((len(pictures), most), -1, np.int64)
    for row, picture in enumerate(pictures):
        boxes[row, : len(picture.kind)] = picture.box_xyxy
        kinds[row, : len(picture.kind)] = picture.kind
    pixels = np.ascontiguousarray(np.stack([p.pixels for p in pictures]).transpose(0, 3, 1, 2))
    return PictureBatch(torch.from_numpy(pixels), torch.from_numpy(boxes), torch.from_numpy(kinds))
