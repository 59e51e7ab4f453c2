"""Batches of pictures: functions of (seed, epoch, index), stacked with padding that is no face."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crystaledge_training.phantom.picture import Picture
from crystaledge_training.phantom.pictures import EpochOfPictures, PictureBatch, WeightedSource, stack


class Noise:
    """Random pixels and a random number of boxes, in one colour channel per source."""

    def __init__(self, kind: int = 1) -> None:
        self._kind = kind

    def draw(self, random: np.random.Generator) -> Picture:
        count = int(random.integers(0, 4))
        boxes = random.uniform(0, 8, (count, 4)).astype(np.float32)
        return Picture(random.integers(0, 256, (6, 8, 3), dtype=np.uint8), boxes, np.full(count, self._kind, np.int64))


def epoch_of(*, seed: int = 1, epoch: int = 0, shares: tuple[float, ...] = (1.0,)) -> EpochOfPictures:
    sources = [WeightedSource(Noise(kind), share) for kind, share in enumerate(shares)]
    return EpochOfPictures(sources, batches=4, batch_size=3, seed=seed, epoch=epoch)


def same(a: PictureBatch, b: PictureBatch) -> bool:
    return all(x.shape == y.shape and torch.equal(x, y) for x, y in zip(a, b, strict=True))


class TestEpoch:
    def test_a_batch_is_the_same_in_any_order_and_process(self) -> None:
        first, second = epoch_of(), epoch_of()
        backwards = [second[index] for index in (3, 2, 1, 0)][::-1]
        assert all(same(first[index], backwards[index]) for index in range(4))

    def test_others_differ(self) -> None:
        here = epoch_of()[0]
        for other in (epoch_of()[1], epoch_of(epoch=1)[0], epoch_of(seed=2)[0]):
            assert not same(here, other)

    def test_ends(self) -> None:
        assert len(epoch_of()) == 4
        with pytest.raises(IndexError):
            epoch_of()[4]
        assert [len(epoch_of()[index].kind) for index in range(4)] == [3] * 4

    def test_sources_have_their_shares(self) -> None:
        sources = [WeightedSource(Noise(kind), share) for kind, share in ((0, 3.0), (1, 0.0), (2, 1.0))]
        epoch = EpochOfPictures(sources, batches=1, batch_size=1200, seed=0, epoch=0)
        first_kinds = epoch[0].kind[:, 0]
        counts = [int((first_kinds == kind).sum()) for kind in range(3)]
        assert counts[1] == 0
        assert counts[0] / counts[2] == pytest.approx(3.0, rel=0.25)


class TestStack:
    def test_pads_with_what_is_nothing(self) -> None:
        pictures = [
            Picture(np.full((4, 5, 3), n, np.uint8), np.full((n, 4), n, np.float32), np.arange(n) % 2) for n in range(3)
        ]
        batch = stack(pictures)
        assert batch.pixels.shape == (3, 3, 4, 5)
        assert batch.pixels.dtype == torch.uint8
        assert batch.kind.tolist() == [[-1, -1], [0, -1], [0, 1]]
        assert batch.box_xyxy[:, :, 0].tolist() == [[0, 0], [1, 0], [2, 2]]

    def test_keeps_colours_apart(self) -> None:
        pixels = np.zeros((4, 5, 3), np.uint8)
        pixels[1, 2] = (10, 20, 30)
        batch = stack([Picture(pixels, np.empty((0, 4), np.float32), np.empty(0, np.int64))])
        assert batch.pixels[0, :, 1, 2].tolist() == [10, 20, 30]
        assert batch.kind.shape == (1, 1) and batch.box_xyxy.shape == (1, 1, 4)
