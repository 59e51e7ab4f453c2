"""Templates of N observations: disjoint, fair, and drawn by the seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge_training.evaluation import templates as module
from crystaledge_training.evaluation.templates import (
    MOST_TEMPLATES_PER_PERSON,
    TemplateSet,
    all_pairs,
    cut_mixed_templates,
    draw_templates,
    thin_impostors,
)
from tests.training.builders import numbered_store


def owned_by(*people: int) -> TemplateSet:
    return TemplateSet(np.zeros((len(people), 1), np.int64), np.array(people, np.int64))


@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    observations=st.integers(1, 6),
    seed=st.integers(0, 1000),
)
def test_templates_are_disjoint_and_of_one_person(counts: list[int], observations: int, seed: int) -> None:
    store = numbered_store(counts)
    found = draw_templates(store, observations, seed=seed)
    assert found.rows.shape == (len(found.person), observations)
    used = found.rows.ravel().tolist()
    assert len(set(used)) == len(used)  # also inside one template
    for rows, person in zip(found.rows, found.person, strict=True):
        assert set(rows.tolist()) <= set(store.rows_of(int(person)).tolist())
    expected = [min(count // observations, MOST_TEMPLATES_PER_PERSON) for count in counts]
    assert np.bincount(found.person, minlength=len(counts)).tolist() == expected


def test_are_a_function_of_seed_and_size() -> None:
    store = numbered_store([12] * 4)
    first = draw_templates(store, 3, seed=1)
    np.testing.assert_array_equal(draw_templates(store, 3, seed=1).rows, first.rows)
    assert (draw_templates(store, 3, seed=2).rows != first.rows).any()
    # Another size is another draw, not the same frames cut elsewhere.
    assert set(draw_templates(store, 1, seed=1).rows[:3, 0].tolist()) != set(first.rows[0].tolist())


def test_the_limit_takes_frames_at_random() -> None:
    store = numbered_store([100])
    drawn = {int(row) for seed in range(30) for row in draw_templates(store, 1, seed=seed).rows[:, 0]}
    assert len(drawn) > 80


def test_pairs_are_every_template_against_every_other() -> None:
    pairs = all_pairs(owned_by(0, 0, 1, 2, 2))
    found = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    assert found == {(i, j) for j in range(5) for i in range(j)}
    genuine = set(zip(pairs.first[pairs.same].tolist(), pairs.second[pairs.same].tolist(), strict=True))
    assert genuine == {(0, 1), (3, 4)}


@pytest.mark.parametrize("people", [(), (0,)])
def test_fewer_than_two_templates_make_no_pair(people: tuple[int, ...]) -> None:
    assert len(all_pairs(owned_by(*people)).same) == 0


def test_thinning_keeps_all_genuine_pairs_and_some_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_IMPOSTOR_PAIRS", 20)
    pairs = all_pairs(owned_by(*np.repeat(np.arange(6), 3).tolist()))
    thinned = thin_impostors(pairs, seed=0)
    assert int(thinned.same.sum()) == int(pairs.same.sum()) == 18
    assert int((~thinned.same).sum()) == 20
    before = list(zip(pairs.first, pairs.second, pairs.same, strict=True))
    after = list(zip(thinned.first, thinned.second, thinned.same, strict=True))
    assert len(set(after)) == len(after)
    assert after == [pair for pair in before if pair in set(after)]  # in the old order
    np.testing.assert_array_equal(thin_impostors(pairs, seed=0).first, thinned.first)
    assert (thin_impostors(pairs, seed=1).first != thinned.first).any()


def test_thinning_leaves_few_pairs_alone() -> None:
    pairs = all_pairs(owned_by(0, 0, 1, 2, 2))
    thinned = thin_impostors(pairs, seed=0)
    np.testing.assert_array_equal(thinned.first, pairs.first)
    np.testing.assert_array_equal(thinned.second, pairs.second)
    np.testing.assert_array_equal(thinned.same, pairs.same)


def test_mixed_templates_share_no_frame_and_use_nearly_all_of_them() -> None:
    store = numbered_store([1, 2, 3, 4, 7, 11, 30])
    sets = cut_mixed_templates(store, (1, 2, 3, 5), seed=4)
    assert [t.rows.shape[1] for t in sets] == [1, 2, 3, 5]
    rows = np.concatenate([t.rows.ravel() for t in sets])
    assert sorted(rows.tolist()) == list(range(len(store.pixels))), "every frame once: a size of 1 always fits"
    for templates in sets:
        assert len(templates.person) > 0
        assert (store.person[templates.rows] == templates.person[:, None]).all()
    again = cut_mixed_templates(store, (1, 2, 3, 5), seed=4)
    assert all(np.array_equal(a.rows, b.rows) for a, b in zip(sets, again, strict=True))
