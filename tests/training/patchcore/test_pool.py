"""Patches of images: all of them, or equally many drawn of each, whatever the batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from crystaledge.errors import DataError
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.images import list_images, read_image
from crystaledge_training.patchcore.network import PatchFeatures
from crystaledge_training.patchcore.pool import patches_of
from crystaledge_training.patchcore.train_config import PatchCoreTrainConfig
from tests.training.patchcore.builders import TINY, random_network
from tests.training.student_teacher.builders import draw_parts

CELLS, DIMS = 64, TINY.network.bank_dims


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return list_images(draw_parts(tmp_path_factory.mktemp("parts"), train=6) / "train" / "good")


@pytest.fixture(scope="module")
def features() -> PatchFeatures:
    return random_network().features


def thinned(patches: int, images: int) -> PatchCoreTrainConfig:
    return replace(TINY, most_pool_bytes=patches * images * 4 * DIMS)


def test_are_the_networks_features_image_by_image(features: PatchFeatures, paths: list[Path]) -> None:
    found = patches_of(features, paths, TINY)
    assert found.shape == (6 * CELLS, DIMS)
    image = torch.from_numpy(Preprocessor(TINY.preprocessing)(read_image(paths[4]), ColorOrder.BGR))
    expected = features(image[None])[0].flatten(1).T
    torch.testing.assert_close(found[4 * CELLS : 5 * CELLS], expected, rtol=1e-4, atol=1e-5)


def test_batches_change_nothing_but_rounding(features: PatchFeatures, paths: list[Path]) -> None:
    whole = patches_of(features, paths, replace(TINY, batch_size=6))
    torch.testing.assert_close(patches_of(features, paths, replace(TINY, batch_size=1)), whole, rtol=1e-4, atol=1e-5)


def test_equally_many_are_drawn_of_each_image_where_not_all_fit(features: PatchFeatures, paths: list[Path]) -> None:
    whole, few = patches_of(features, paths, TINY), patches_of(features, paths, thinned(10, 6))
    assert few.shape == (60, DIMS)
    for number in range(6):
        own: Tensor = whole[number * CELLS : (number + 1) * CELLS]
        same = (few[number * 10 : number * 10 + 10, None] == own[None]).all(dim=2)
        assert same.any(dim=1).all()  # each of them is a patch of that image
        assert same.any(dim=0).sum() == 10  # and none is drawn twice


def test_what_is_drawn_depends_on_the_seed_alone(features: PatchFeatures, paths: list[Path]) -> None:
    config = thinned(5, 6)
    first = patches_of(features, paths, config)
    assert torch.equal(first, patches_of(features, paths, config))
    assert not torch.equal(first, patches_of(features, paths, replace(config, seed=6)))


def test_tells_how_many_images_are_done(features: PatchFeatures, paths: list[Path]) -> None:
    said: list[int] = []
    patches_of(features, paths, TINY, progress=said.append)
    assert said == [4, 6]


def test_an_image_that_cannot_be_read_is_named(features: PatchFeatures, paths: list[Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png"):
        patches_of(features, [*paths, tmp_path / "gone.png"], TINY)
