"""Images of a training: whole epochs, in an order that depends on nothing but seed and epoch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from crystaledge.errors import DataError
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.images import list_images, read_image
from crystaledge_training.student_teacher.images import ResizedImages, batches_in_order, batches_of_epoch
from tests.training.student_teacher.builders import SIDE, TINY, draw_parts

SPEC = TINY.preprocessing


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return list_images(draw_parts(tmp_path_factory.mktemp("parts"), train=7) / "train" / "good")


class TestBatch:
    def test_is_what_the_preprocessor_resizes(self, paths: list[Path]) -> None:
        found = ResizedImages(paths, SPEC).batch([3, 0])
        assert found.dtype == torch.uint8 and found.shape == (2, 3, SIDE, SIDE)
        expected = Preprocessor(SPEC).resize(read_image(paths[3]), ColorOrder.BGR).transpose(2, 0, 1)
        assert np.array_equal(found[0].numpy(), expected)

    def test_is_the_same_whether_or_not_images_are_kept(self, paths: list[Path]) -> None:
        one = 3 * SIDE * SIDE
        for kept in (0, 2 * one, 100 * one):
            images = ResizedImages(paths, SPEC, kept_bytes=kept)
            for _ in range(2):
                assert torch.equal(images.batch(range(7)), ResizedImages(paths, SPEC).batch(range(7)))

    def test_keeps_no_more_than_it_may(self, paths: list[Path], tmp_path: Path) -> None:
        copies = [tmp_path / path.name for path in paths]
        for path, copy in zip(paths, copies, strict=True):
            copy.write_bytes(path.read_bytes())
        images = ResizedImages(copies, SPEC, kept_bytes=2 * 3 * SIDE * SIDE)
        images.batch(range(7))
        for copy in copies:
            copy.unlink()
        images.batch([0, 1])  # kept
        with pytest.raises(DataError):
            images.batch([2])


class TestEpoch:
    def test_has_every_image_once(self, paths: list[Path]) -> None:
        images = ResizedImages(paths, SPEC)
        seen = torch.cat(list(batches_of_epoch(images, batch_size=4, seed=1, epoch=0)))
        whole = images.batch(range(7))
        assert sorted(x.sum().item() for x in seen) == sorted(x.sum().item() for x in whole)

    def test_is_a_function_of_seed_and_epoch(self, paths: list[Path]) -> None:
        images = ResizedImages(paths, SPEC)

        def first(seed: int, epoch: int) -> torch.Tensor:
            return batches_of_epoch(images, batch_size=7, seed=seed, epoch=epoch)[0]

        assert torch.equal(first(1, 2), first(1, 2))
        assert not torch.equal(first(1, 2), first(1, 3)) and not torch.equal(first(1, 2), first(2, 2))

    @pytest.mark.parametrize(("count", "sizes"), [(7, [3, 3]), (6, [3, 3]), (5, [3, 2]), (1, [1])])
    def test_leaves_out_a_last_batch_of_one(self, paths: list[Path], count: int, sizes: list[int]) -> None:
        images = ResizedImages(paths[:count], SPEC)
        assert [len(b) for b in batches_of_epoch(images, batch_size=3, seed=0, epoch=0)] == sizes

    def test_in_order_leaves_out_nothing(self, paths: list[Path]) -> None:
        images = ResizedImages(paths, SPEC)
        assert torch.equal(torch.cat(list(batches_in_order(images, batch_size=3))), images.batch(range(7)))
