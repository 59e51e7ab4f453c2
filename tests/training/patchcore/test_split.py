"""Remembered and held-out images are never the same ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.errors import DataError
from crystaledge_training.patchcore.split import split_remembered
from tests.training.patchcore.builders import numbered


@given(count=st.integers(2, 60), holdout=st.floats(0.01, 0.9), seed=st.integers(0, 1000))
def test_every_image_is_in_one_part_and_none_is_empty(count: int, holdout: float, seed: int) -> None:
    split = split_remembered(numbered(count), holdout=holdout, seed=seed)
    assert sorted(split.remembered + split.held_out) == list(numbered(count))
    assert split.remembered and split.held_out
    assert list(split.held_out) == sorted(split.held_out)


def test_the_share_is_kept_and_the_seed_decides() -> None:
    first = split_remembered(numbered(50), holdout=0.2, seed=1)
    assert len(first.held_out) == 10
    assert first == split_remembered(numbered(50), holdout=0.2, seed=1)
    assert first != split_remembered(numbered(50), holdout=0.2, seed=2)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_images_are_refused_with_their_number(count: int) -> None:
    with pytest.raises(DataError, match=f"There are {count} normal images .* at least 2"):
        split_remembered(numbered(count), holdout=0.2, seed=0)
