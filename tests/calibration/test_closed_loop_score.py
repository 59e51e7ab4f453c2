"""Scores of candidates: cosines by hand, and rollouts in which each graph follows its own state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from crystaledge_calibration.closed_loop_score import Judge, Score, cosine_rows, joined_states
from crystaledge_calibration.sequence_set import BATCH, Batch
from tests.calibration.builders import PREPROCESSING, memory_set, small_model, small_spec, small_step, small_weights
from tests.support.manifests import state_pair
from tests.support.step_graphs import HIDDEN

Array = NDArray[np.float32]
VALUES = st.floats(-1e3, 1e3, width=32)
OTHER = {"w_new_face": small_weights()["w_new_face"] * np.float32(0.7)}


@given(data=st.data(), shape=hnp.array_shapes(min_dims=2, max_dims=3, max_side=4))
def test_cosines_by_hand(data: st.DataObject, shape: tuple[int, ...]) -> None:
    a, b = (data.draw(hnp.arrays(np.float32, shape, elements=VALUES)).astype(float) for _ in range(2))
    found = cosine_rows(a.astype(np.float32), b.astype(np.float32))
    assert found.shape == shape[:-1]
    for place in np.ndindex(*shape[:-1]):
        x, y = a[place], b[place]
        product = float(sum(x * x) ** 0.5 * sum(y * y) ** 0.5)
        if product:
            assert found[place] == pytest.approx(float(sum(x * y)) / product, abs=1e-9)
        else:
            assert found[place] == (1.0 if not x.any() and not y.any() else 0.0)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_state_that_is_not_finite_is_as_wrong_as_can_be(broken: float) -> None:
    sound, spoiled = np.ones((1, 3), np.float32), np.array([[1.0, broken, 1.0]], np.float32)
    assert cosine_rows(sound, spoiled) == cosine_rows(spoiled, sound) == cosine_rows(spoiled, spoiled) == [0.0]


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(-1.0, 1.0)))
def test_a_score_looks_at_all_steps_and_at_the_worst(cosine: NDArray[np.float64]) -> None:
    score = Score(cosine)
    assert score.loss == pytest.approx(sum(1.0 - c for c in cosine.ravel()) / cosine.size)
    assert score.mean == pytest.approx(min(sum(step) / len(step) for step in cosine))
    assert score.p01 == pytest.approx(min(np.percentile(step, 1) for step in cosine))


def test_one_bad_step_shows_in_the_mean_and_one_bad_sequence_in_the_tail() -> None:
    bad_step = np.ones((10, 100))
    bad_step[4] = 0.5
    assert Score(bad_step).mean == 0.5
    assert Score(bad_step).loss == pytest.approx(0.05)
    bad_sequence = np.ones((10, 50))
    bad_sequence[:, 7] = 0.0
    assert Score(bad_sequence).p01 < 0.5 < 0.97 < Score(bad_sequence).mean


def test_all_states_are_joined_in_the_order_of_the_pairs() -> None:
    graph = replace(small_spec(), states=(state_pair("b", 2, 2), state_pair("a", 3)))
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(10, 18, dtype=np.float32).reshape(2, 2, 2)
    found = joined_states(graph, {"a_next": a, "b_next": b, "quality": a})
    assert found.tolist() == [[10, 11, 12, 13, 0, 1, 2], [14, 15, 16, 17, 3, 4, 5]]


def rolled(batch: Batch, changed: Mapping[str, Array]) -> Array:
    """States of the numpy twin, `(T, B, D)`."""
    hidden, kept = np.zeros((len(batch), HIDDEN), np.float32), []
    for rows in batch.steps():
        hidden = small_step(rows, hidden, changed)["hidden_next"]
        kept.append(hidden)
    return np.stack(kept)


def judge(count: int = 5, *, workers: int = 1) -> Judge:
    return Judge(small_spec(), small_model(), memory_set(count, steps=5), PREPROCESSING, workers=workers)


def test_the_float_graph_is_as_good_as_itself() -> None:
    np.testing.assert_allclose(judge().score(small_model()).cosine, 1.0, atol=1e-12)


def test_float_and_candidate_each_follow_their_own_state() -> None:
    (batch,) = memory_set(5, steps=5).batches(PREPROCESSING)
    left, right = rolled(batch, {}), rolled(batch, OTHER)
    expected = np.sum(left * right, axis=2) / np.linalg.norm(left, axis=2) / np.linalg.norm(right, axis=2)
    found = judge().score(small_model(OTHER))
    assert found.cosine.shape == (5, 5)
    np.testing.assert_allclose(found.cosine, expected, atol=1e-5)
    assert found.mean < 0.9999


@pytest.mark.parametrize("workers", [1, 3])
def test_scores_come_in_the_order_of_the_candidates(workers: int) -> None:
    candidates = [small_model({"w_new_face": small_weights()["w_new_face"] * np.float32(f)}) for f in (0.5, 1.0, 0.8)]
    found = [score.loss for score in judge(workers=workers).score_all(candidates)]
    assert found == [judge().score(candidate).loss for candidate in candidates]
    assert found[1] < found[2] < found[0]


def test_a_judge_holds_one_batch_whatever_it_is_given() -> None:
    scored = judge(BATCH + 6).score(small_model(OTHER)).cosine
    assert scored.shape == (5, BATCH)


def test_no_candidates_get_no_scores() -> None:
    none: list[onnx.ModelProto] = []
    assert judge().score_all(none) == []
