"""Both halves of a step together do what the whole does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.manifest.model import Target
from crystaledge_calibration.observe import closed_loop, watched_step
from crystaledge_calibration.qdq import TensorRange, quantized_tensors, with_qdq
from crystaledge_calibration.rollout import initial_states
from crystaledge_calibration.sequence_set import Batch
from crystaledge_calibration.split import SplitStep
from crystaledge_calibration.state_source import StateSource
from tests.calibration.builders import QUANTIZABLE, small_batch, small_model, small_spec, small_step
from tests.support.step_graphs import HIDDEN

Array = NDArray[np.float32]


def int8_model(target: Target) -> onnx.ModelProto:
    model = small_model()
    ranges = {name: TensorRange(-4.0, 4.0) for name in quantized_tensors(model, target)}
    return with_qdq(model, target, ranges, nodes=QUANTIZABLE)


MODELS = {
    "float": small_model(),
    "tensorrt": int8_model(Target.TENSORRT),
    "cpu": int8_model(Target.CPU),
}
SPLIT = {name: SplitStep(small_spec(), model) for name, model in MODELS.items()}
WHOLE = {name: watched_step(model, []) for name, model in MODELS.items()}


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=15)
@given(steps=st.integers(1, 7), sequences=st.integers(1, 4), distinct=st.integers(1, 5), seed=st.integers(0, 99))
def test_the_closed_loop_is_that_of_the_whole_graph(
    kind: str, steps: int, sequences: int, distinct: int, seed: int
) -> None:
    batch = small_batch(sequences=sequences, steps=steps, distinct=distinct, seed=seed)
    left = list(SPLIT[kind].closed_loop(batch))
    right = list(closed_loop(small_spec(), WHOLE[kind], batch))
    assert len(left) == len(right) == steps
    for found, expected in zip(left, right, strict=True):
        for spec in small_spec().outputs:
            # Equal in exact arithmetic; a last bit apart may round to the neighbouring step of int8.
            np.testing.assert_allclose(found[spec.name], expected[spec.name], atol=2e-5 if kind == "float" else 0.05)


def test_the_first_state_is_fresh_and_each_later_one_is_what_the_step_before_left() -> None:
    batch = small_batch(sequences=2, steps=4)
    hidden = np.zeros((2, HIDDEN), np.float32)
    for places, found in zip(batch.order, SPLIT["float"].closed_loop(batch), strict=True):
        np.testing.assert_allclose(found["hidden"], hidden, atol=1e-5)
        hidden = small_step(batch.frames[places], hidden)["hidden_next"]
        np.testing.assert_allclose(found["hidden_next"], hidden, atol=1e-5)


def test_frames_are_encoded_once_and_in_chunks() -> None:
    frames = np.random.default_rng(0).normal(size=(130, 3, 8, 8)).astype(np.float32)
    parts = list(SplitStep(small_spec(), small_model(), ["pooled"]).encode(frames))
    assert [len(part["pooled"]) for part in parts] == [64, 64, 2]
    expected = small_step(frames, np.zeros((130, HIDDEN), np.float32))
    for name in ("quality", "pooled"):
        joined = np.concatenate([part[name] for part in parts])
        np.testing.assert_allclose(joined, expected[name], atol=1e-5)


def test_a_rollout_over_more_frames_than_one_chunk_shows_the_right_ones() -> None:
    batch = small_batch(sequences=3, distinct=30, steps=4)
    assert batch.order.max() > 64
    loop = closed_loop(small_spec(), WHOLE["float"], batch)
    for found, expected in zip(SPLIT["float"].closed_loop(batch), loop, strict=True):
        np.testing.assert_allclose(found["hidden_next"], expected["hidden_next"], atol=1e-5)


def test_what_depends_on_the_frame_alone_stands_in_front() -> None:
    split = SplitStep(small_spec(), small_model(), ["face", "stem_relu", "hidden", "update_hidden", "raw_update"])
    assert split.front_tensors == ("face", "stem_relu")
    assert split.back_tensors == ("hidden", "update_hidden", "raw_update")
    assert set(split.frontier) == {"update_face", "new_face", "quality"}


def test_wanted_inner_tensors_are_those_of_the_rollout() -> None:
    batch = small_batch(sequences=3, steps=4)
    split = SplitStep(small_spec(), small_model(), ["skip", "pooled", "hidden", "update"])
    (part,) = split.encode(batch.frames)
    expected = small_step(batch.frames, np.zeros((len(batch.frames), HIDDEN), np.float32))
    for name in ("skip", "pooled"):
        np.testing.assert_allclose(part[name], expected[name], atol=1e-5)
    for places, outputs in zip(batch.order, split.roll(batch, [part]), strict=True):
        step = small_step(batch.frames[places], outputs["hidden"])
        np.testing.assert_allclose(outputs["update"], step["update"], atol=1e-5)


def states_seen(source: StateSource) -> list[Array]:
    split, batch = SPLIT["float"], small_batch(sequences=3, steps=6)
    return [outputs["hidden"] for outputs in split.roll(batch, split.encode(batch.frames), source=source)]


def test_zeros_in_the_place_of_the_state_never_change() -> None:
    assert all((states == 0.0).all() for states in states_seen(StateSource.ZEROS))


def test_noise_in_the_place_of_the_state_is_new_at_every_step_and_leaves_the_range_of_a_rollout() -> None:
    noise = np.stack(states_seen(StateSource.NORMAL))
    assert len(np.unique(noise)) == noise.size
    assert np.abs(noise).max() > 1.5
    assert np.abs(np.stack(states_seen(StateSource.ROLLOUT))).max() <= 1.0


def test_a_rollout_begins_afresh_every_time() -> None:
    first, second = states_seen(StateSource.ROLLOUT), states_seen(StateSource.ROLLOUT)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first[0], initial_states(small_spec(), 3)["hidden"])


def test_a_rollout_is_given_step_by_step() -> None:
    taken: list[int] = []

    class Watched(Batch):
        def places(self) -> Iterator[NDArray[np.int64]]:
            for number, row in enumerate(self.order):
                taken.append(number)
                yield row

    batch = small_batch(steps=5)
    loop = SPLIT["float"].closed_loop(Watched(batch.frames, batch.order))
    next(loop)
    next(loop)
    assert taken == [0, 1]
