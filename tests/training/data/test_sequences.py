"""Batches for metric learning: no leak between anchor and positive, and a pure function of (seed, epoch)."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crystaledge_training.data.sequences import (
    EpochOfFrames,
    EpochOfSequences,
    SequenceBatch,
    SequenceConfig,
    collate,
    draw_disjoint,
)
from tests.training.builders import numbered_store

COUNTS = st.lists(st.integers(1, 15), min_size=2, max_size=12).filter(lambda c: sum(n >= 2 for n in c) >= 2)
CONFIGS = st.builds(
    SequenceConfig, people=st.integers(2, 6), longest=st.integers(1, 6), draws_per_person=st.integers(1, 4)
)


def rows_of(batch: SequenceBatch) -> list[list[int]]:
    """Frame numbers by sequence, in order; frames carry their number as their pixel."""
    sequences: list[list[int]] = [[] for _ in range(batch.valid.shape[1])]
    for frame, (_, sequence) in zip(batch.frames, batch.valid.nonzero().tolist(), strict=True):
        sequences[sequence].append(int(frame[0, 0, 0]))
    return sequences


def flat(batches: EpochOfSequences | EpochOfFrames) -> list[tuple[list[int], list[list[int]]]]:
    """Everything that is random about an epoch, comparable."""
    return [(batch.people.tolist(), rows_of(batch)) for batch in batches]


@given(count=st.integers(2, 40), longest=st.integers(1, 12), seed=st.integers(0, 2**32 - 1))
def test_two_sequences_of_one_person_share_no_frame(count: int, longest: int, seed: int) -> None:
    rows = np.arange(100, 100 + count)
    first, second = draw_disjoint(rows, longest, np.random.default_rng(seed))
    assert len(first) == len(second) == min(longest, count // 2)
    drawn = first.tolist() + second.tolist()
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) <= set(rows.tolist())


def test_every_frame_can_be_drawn_on_either_side() -> None:
    generator = np.random.default_rng(0)
    pairs = [draw_disjoint(np.arange(4), 1, generator) for _ in range(200)]
    for side in (0, 1):
        assert {int(pair[side][0]) for pair in pairs} == {0, 1, 2, 3}


@given(counts=COUNTS, config=CONFIGS, seed=st.integers(0, 1000), epoch=st.integers(0, 100))
def test_an_epoch_keeps_every_promise(counts: list[int], config: SequenceConfig, seed: int, epoch: int) -> None:
    store = numbered_store(counts)
    batches = EpochOfSequences(store, config, seed=seed, epoch=epoch)
    seen = list(batches)
    assert len(seen) == len(batches)
    drawn: Counter[int] = Counter()
    for batch in seen:
        sequences = rows_of(batch)
        anchors, positives = batch.people[0::2].tolist(), batch.people[1::2].tolist()
        assert anchors == positives
        assert len(set(anchors)) == len(anchors)  # nobody twice, or a negative could be the same person
        assert 2 <= len(anchors) <= config.people
        drawn.update(anchors)
        for person, anchor, positive in zip(anchors, sequences[0::2], sequences[1::2], strict=True):
            assert not set(anchor) & set(positive)
            for sequence in (anchor, positive):
                assert 1 <= len(sequence) <= config.longest
                assert len(set(sequence)) == len(sequence)
                assert set(sequence) <= set(store.rows_of(person).tolist())
    for person, times in drawn.items():
        assert counts[person] >= 2  # a single image has no positive
        assert times <= min(math.ceil(counts[person] / 4), config.draws_per_person)


def test_people_are_drawn_by_how_many_images_they_have() -> None:
    # Everybody fits into one batch a round, so that none is lost to a batch of one.
    counts = [2, 4, 5, 8, 9, 40, 40]
    batches = EpochOfSequences(numbered_store(counts), SequenceConfig(people=32, draws_per_person=4), seed=0, epoch=0)
    drawn = Counter(person for batch in batches for person in batch.people[0::2].tolist())
    assert [drawn[person] for person in range(len(counts))] == [1, 1, 2, 2, 3, 4, 4]


def test_all_lengths_up_to_the_longest_come_up() -> None:
    store = numbered_store([12] * 4)
    config = SequenceConfig(people=4, longest=5, draws_per_person=3)
    lengths = {len(b.valid) for epoch in range(30) for b in EpochOfSequences(store, config, seed=0, epoch=epoch)}
    assert lengths == {1, 2, 3, 4, 5}


@given(counts=COUNTS, seed=st.integers(0, 1000), epoch=st.integers(0, 100))
def test_batches_are_a_function_of_seed_and_epoch(counts: list[int], seed: int, epoch: int) -> None:
    store, config = numbered_store(counts), SequenceConfig(people=4, longest=4)
    batches = EpochOfSequences(store, config, seed=seed, epoch=epoch)
    first = flat(batches)
    np.random.default_rng().random()  # the global state of other generators has no part in it
    torch.rand(3)
    assert flat(batches) == first
    assert flat(EpochOfSequences(store, config, seed=seed, epoch=epoch)) == first


@pytest.mark.parametrize(("seed", "epoch"), [(1, 6), (1, 4), (2, 5), (5, 1)])
def test_another_epoch_or_seed_draws_something_else(seed: int, epoch: int) -> None:
    store, config = numbered_store([10] * 8), SequenceConfig(people=4, longest=4)
    other = flat(EpochOfSequences(store, config, seed=seed, epoch=epoch))
    assert other != flat(EpochOfSequences(store, config, seed=1, epoch=5))


def test_collate_pads_and_keeps_only_valid_frames_in_row_major_order() -> None:
    store = numbered_store([4, 4])
    batch = collate(store, [np.array([2, 0, 3]), np.array([7])], np.array([0, 1]))
    assert batch.valid.tolist() == [[True, True], [True, False], [True, False]]
    assert batch.frames[:, 0, 0, 0].tolist() == [2, 7, 0, 3]
    assert batch.frames.dtype == torch.uint8
    assert batch.frames.shape == (4, 3, 1, 1)
    assert batch.frames.is_contiguous()
    assert batch.people.tolist() == [0, 1]


class TestFrames:
    """Epochs of the encoder alone: every frame is a sequence of one."""

    @given(counts=COUNTS, size=st.integers(2, 12), seed=st.integers(0, 1000), epoch=st.integers(0, 100))
    def test_an_epoch_shows_frames_at_most_once_and_leaves_out_less_than_a_batch(
        self, counts: list[int], size: int, seed: int, epoch: int
    ) -> None:
        store = numbered_store(counts)
        batches = EpochOfFrames(store, SequenceConfig(loose_frames=size), seed=seed, epoch=epoch)
        seen = list(batches)
        assert len(seen) == len(batches) >= 1
        drawn: list[int] = []
        for batch in seen:
            assert batch.valid.shape == (1, len(batch.frames))
            assert batch.valid.all()
            numbers = [rows[0] for rows in rows_of(batch)]
            assert batch.people.tolist() == store.person[numbers].tolist()
            drawn += numbers
        assert len(set(drawn)) == len(drawn)
        assert sum(counts) - len(drawn) < size
        assert {len(batch.frames) for batch in seen[:-1]} <= {size}

    def test_are_a_function_of_seed_and_epoch(self) -> None:
        store, config = numbered_store([10] * 8), SequenceConfig(loose_frames=16)
        first = flat(EpochOfFrames(store, config, seed=1, epoch=5))
        assert flat(EpochOfFrames(store, config, seed=1, epoch=5)) == first
        for seed, epoch in ((1, 6), (2, 5), (5, 1)):
            assert flat(EpochOfFrames(store, config, seed=seed, epoch=epoch)) != first

    def test_batches_mix_people(self) -> None:
        store = numbered_store([10] * 8)
        for batch in EpochOfFrames(store, SequenceConfig(loose_frames=16), seed=0, epoch=0):
            assert len(set(batch.people.tolist())) > 4
