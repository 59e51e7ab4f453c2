"""Shares of a batch, and configurations that cannot be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.errors import UsageError
from crystaledge.preprocessing.spec import ColorOrder, Preprocessing
from crystaledge_training.distillation.config import LABELS_BATCH, BatchConfig, DistilConfig, labels_alone
from crystaledge_training.distillation.faults import KINDS


def test_the_measured_recipe_has_its_batches() -> None:
    assert BatchConfig().shares == (640, 256, 128)
    assert LABELS_BATCH.shares == (640, 0, 128)  # as many ordinary and severe rows as with a teacher
    assert DistilConfig().steps == 4500


@given(st.integers(32, 4096), st.integers(1, 4), st.floats(0, 0.5), st.floats(0, 0.4))
def test_parts_are_whole_groups_and_no_more_than_the_rows(rows: int, images: int, blends: float, severe: float) -> None:
    config = BatchConfig(rows=rows, images_per_person=images, blends=blends, severe=severe)
    shares = config.shares
    assert sum(shares) <= rows
    assert min(shares) >= 0
    assert all(share % (KINDS * images) == 0 for share in shares)


def test_without_a_teacher_nothing_asks_for_one() -> None:
    config = labels_alone(DistilConfig(epochs=3, seed=7))
    assert not config.losses.needs_teacher
    assert config.losses.quality == 0.0
    assert config.batch.shares[1] == 0
    assert (config.epochs, config.seed) == (3, 7)


def test_a_batch_without_ordinary_rows_is_refused() -> None:
    with pytest.raises(UsageError, match="no ordinary ones"):
        replace(DistilConfig(), batch=BatchConfig(rows=64, blends=0.5, severe=0.5))


@pytest.mark.parametrize(
    "spec", [Preprocessing(size_hw=(64, 48)), Preprocessing(size_hw=(64, 64), color=ColorOrder.BGR)], ids=str
)
def test_views_that_are_not_square_and_rgb_are_refused(spec: Preprocessing) -> None:
    with pytest.raises(UsageError, match="square RGB"):
        DistilConfig(preprocessing=spec)
