"""Memory that a training may take: what is cut, and what is refused before it is tried."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crystaledge.errors import DataError
from crystaledge_training.patchcore.limits import (
    MOST_BYTES,
    bank_rows_of,
    batch_size_of,
    cells_hw,
    patches_per_image,
)
from crystaledge_training.patchcore.train_config import PatchCoreTrainConfig
from tests.training.patchcore.builders import TINY

DEFAULT = PatchCoreTrainConfig()


def test_large_images_come_in_smaller_batches() -> None:
    assert batch_size_of(DEFAULT) == DEFAULT.batch_size
    assert 1 <= batch_size_of(replace(DEFAULT, size_hw=(512, 512))) < DEFAULT.batch_size
    assert batch_size_of(replace(DEFAULT, size_hw=(2000, 2000))) == 1


def test_an_image_that_no_memory_holds_is_refused_with_its_size() -> None:
    with pytest.raises(DataError, match=r"5000 x 4000 px needs about 5\.6 GiB .* at most 2 GiB"):
        batch_size_of(replace(DEFAULT, size_hw=(5000, 4000)))


def test_a_map_has_a_cell_for_each_step_of_the_finest_level() -> None:
    assert cells_hw(replace(DEFAULT, size_hw=(256, 100))) == (32, 13)
    assert cells_hw(replace(TINY, size_hw=(30, 33))) == (8, 9)


def test_all_patches_are_kept_while_they_fit_and_equally_many_of_each_image_after() -> None:
    of_one = 64 * 4 * TINY.network.bank_dims
    assert patches_per_image(TINY, 10) == 64
    assert patches_per_image(replace(TINY, most_pool_bytes=10 * of_one), 10) == 64
    assert patches_per_image(replace(TINY, most_pool_bytes=10 * of_one - 1), 10) == 63
    assert patches_per_image(replace(TINY, most_pool_bytes=5 * of_one), 10) == 32


def test_images_of_which_not_one_patch_fits_are_refused() -> None:
    with pytest.raises(DataError, match="One patch of each of 1000 normal images takes more than"):
        patches_per_image(replace(TINY, most_pool_bytes=4 * TINY.network.bank_dims * 999), 1000)


def test_the_memory_has_the_share_that_was_asked_for_and_at_least_a_row() -> None:
    assert bank_rows_of(replace(DEFAULT, bank_share=0.01), 5000) == 50
    assert bank_rows_of(replace(DEFAULT, bank_share=0.01), 5) == 1
    assert bank_rows_of(replace(DEFAULT, bank_share=1.0, most_bank_rows=700), 5000) == 700


def test_a_search_fits_into_memory_whatever_the_size() -> None:
    for side in (64, 512, 2048):
        config = replace(DEFAULT, size_hw=(side, side), bank_share=1.0, most_bank_rows=10**9)
        height, width = cells_hw(config)
        assert 4 * height * width * bank_rows_of(config, 10**9) <= MOST_BYTES
