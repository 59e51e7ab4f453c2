"""The three parts of the normal images: apart, whole, never empty, and a function of the seed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.errors import DataError
from crystaledge_training.student_teacher.split import FEWEST, NormalSplit, split_normal
from tests.support.messages import message_of

SHARES = st.floats(0.0, 1.0)


def paths(count: int) -> list[Path]:
    return [Path(f"{number:04d}.png") for number in range(count)]


def parts_of(split: NormalSplit) -> tuple[tuple[Path, ...], ...]:
    return split.training, split.watched, split.held_out


@given(count=st.integers(FEWEST, 60), holdout=SHARES, watched=SHARES, seed=st.integers(0, 2**31 - 1))
def test_every_image_is_in_one_part_and_no_part_is_empty(count: int, holdout: float, watched: float, seed: int) -> None:
    parts = parts_of(split_normal(paths(count), holdout=holdout, watched=watched, seed=seed))
    assert all(parts)
    assert sorted(path for part in parts for path in part) == paths(count)


def test_shares_are_of_all_and_of_the_rest() -> None:
    split = split_normal(paths(200), holdout=0.2, watched=0.1, seed=0)
    assert [len(part) for part in parts_of(split)] == [144, 16, 40]


def test_is_a_function_of_the_seed() -> None:
    first, same, other = (split_normal(paths(50), holdout=0.2, watched=0.1, seed=seed) for seed in (1, 1, 2))
    assert first == same and first != other
    assert list(first.training) == sorted(first.training), "names stay in order, so that folders are read in order"


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_images_are_refused(count: int) -> None:
    with pytest.raises(DataError) as raised:
        split_normal(paths(count), holdout=0.2, watched=0.1, seed=0)
    assert f"There are {count} normal images" in message_of(raised)
