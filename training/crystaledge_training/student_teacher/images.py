"""Normal images as a network gets them, batch by batch; those of a training in an order of each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder, Preprocessing
from crystaledge.sources.images import read_image
from crystaledge_training.data.augment import Normalise

KEPT_BYTES = 2**29
"""Of resized pixels that stay in memory between epochs; images beyond are decoded again at each use."""


class ResizedImages:
    """uint8 images at the network's size, decoded when they are first wanted.

    Args:
        kept_bytes: memory for those that need not be decoded again.
    """

    def __init__(self, paths: Sequence[Path], spec: Preprocessing, *, kept_bytes: int = KEPT_BYTES) -> None:
        self._paths = tuple(paths)
        self._preprocessor = Preprocessor(spec)
        self._most = kept_bytes // (3 * spec.size_hw[0] * spec.size_hw[1])
        self._kept: dict[int, NDArray[np.uint8]] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def batch(self, rows: Sequence[int]) -> Tensor:
        """uint8 `(B, 3, h, w)` in the specification's colours.

        Raises:
            DataError: an image cannot be read.
        """
        return torch.from_numpy(np.stack([self._image(row) for row in rows]).transpose(0, 3, 1, 2).copy())

    def _image(self, row: int) -> NDArray[np.uint8]:
        if row not in self._kept:
            image = self._preprocessor.resize(read_image(self._paths[row]), ColorOrder.BGR).copy()
            if len(self._kept) >= self._most:
                return image
            self._kept[row] = image
        return self._kept[row]


class NetworkInputs(nn.Module):
    """Images in [0, 1] to what the networks get, float32 `(B, 3, h, w)`."""

    def __init__(self, spec: Preprocessing) -> None:
        super().__init__()
        self._normalise, self._scale = Normalise(spec.mean, spec.std), 255.0 * spec.scale

    def forward(self, images: Tensor) -> Tensor:
        """The same shape, channels last: depthwise convolutions run about twice as fast on a CPU then."""
        normalised: Tensor = self._normalise(images * self._scale)
        return normalised.contiguous(memory_format=torch.channels_last)


class Batches(Dataset[Tensor]):
    """Images by the batch; a batch is read when it is asked for."""

    def __init__(self, images: ResizedImages, batches: Sequence[Sequence[int]]) -> None:
        self._images, self._batches = images, tuple(batches)

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> Tensor:
        """uint8 `(B, 3, h, w)`."""
        return self._images.batch(self._batches[index])

    def __iter__(self) -> Iterator[Tensor]:
        """All of them, one in memory at a time."""
        return (self._images.batch(rows) for rows in self._batches)


def batches_of_epoch(images: ResizedImages, *, batch_size: int, seed: int, epoch: int) -> Batches:
    """Every image once, in an order that is a function of (seed, epoch).

    A last batch of one is left out, unless it is the only one: the statistics of a single image are no batch's.
    """
    order: list[int] = np.random.default_rng((seed, epoch)).permutation(len(images)).tolist()
    batches = _cut(order, batch_size)
    return Batches(images, batches[:-1] if len(batches) > 1 and len(batches[-1]) == 1 else batches)


def batches_in_order(images: ResizedImages, *, batch_size: int) -> Batches:
    """Every image once, as they come."""
    return Batches(images, _cut(range(len(images)), batch_size))


def _cut(rows: Sequence[int], size: int) -> list[Sequence[int]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
