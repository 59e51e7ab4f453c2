"""Draws: who comes how often, neighbours are one person, and an epoch is a function of its number."""

from __future__ import annotations

import numpy as np
import torch

from crystaledge_training.distillation.batches import Draw, EpochOfDraws
from crystaledge_training.distillation.config import BatchConfig

PERSON = np.repeat(np.arange(4), [1, 4, 9, 16])
CONFIG = BatchConfig(rows=128, images_per_person=2, blends=0.25, severe=0.25)


def epoch_of(number: int = 0, *, seed: int = 0, steps: int = 3, config: BatchConfig = CONFIG) -> list[Draw]:
    return list(EpochOfDraws(PERSON, config, steps=steps, seed=seed, epoch=number))


def test_a_batch_has_its_shares() -> None:
    (draw, *_) = epoch_of()
    assert [len(part) for part in draw] == [96, 96, 32, 32]
    assert {part.dtype for part in draw} == {torch.int64}


def test_rows_are_those_of_their_people() -> None:
    for draw in epoch_of():
        assert np.array_equal(PERSON[draw.rows.numpy()], draw.people.numpy())


def test_neighbours_show_one_person() -> None:
    config = BatchConfig(rows=128, images_per_person=4, blends=0.0, severe=0.0)
    for draw in epoch_of(config=config):
        assert bool((draw.people.view(-1, 4) == draw.people.view(-1, 4)[:, :1]).all())


def test_people_come_by_the_root_of_their_images() -> None:
    people = torch.cat([draw.people for draw in epoch_of(steps=200)])
    share = torch.bincount(people).double() / len(people)
    torch.testing.assert_close(share, torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64), atol=0.02, rtol=0.0)


def test_every_image_comes_and_a_blend_may_be_of_anyone() -> None:
    draws = epoch_of(steps=100)
    for field in ("rows", "first", "second"):
        assert set(torch.cat([getattr(draw, field) for draw in draws]).tolist()) == set(range(30))


def test_an_epoch_is_a_function_of_seed_and_number() -> None:
    def same(a: list[Draw], b: list[Draw]) -> bool:
        return all(torch.equal(p, q) for x, y in zip(a, b, strict=True) for p, q in zip(x, y, strict=True))

    assert same(epoch_of(1), epoch_of(1))
    assert not same(epoch_of(1), epoch_of(2))
    assert not same(epoch_of(1), epoch_of(1, seed=1))


def test_an_epoch_knows_its_length() -> None:
    assert len(EpochOfDraws(PERSON, CONFIG, steps=7, seed=0, epoch=0)) == 7
    assert len(epoch_of(steps=7)) == 7
