"""Closed-loop rollouts of step functions written in numpy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.engine.base import Engine
from crystaledge.engine.bound_step import BoundStep
from crystaledge.errors import ContractError
from crystaledge.manifest.model import BatchRange, GraphSpec, Precision
from crystaledge.tensors import BATCH, DType, ResetRule, StatePair, TensorSpec
from crystaledge_calibration.rollout import initial_states, observed_inputs, roll_out, roll_out_engine

Array = NDArray[np.float32]


def tensor(name: str, *row_shape: int) -> TensorSpec:
    return TensorSpec(name=name, dtype=DType.FLOAT32, shape=(BATCH, *row_shape))


def pair(name: str, *shape: int, initial: float = 0.0) -> StatePair:
    return StatePair(
        input=name,
        output=f"{name}_next",
        shape=shape,
        dtype=DType.FLOAT32,
        initial=initial,
        reset=ResetRule.NEW_TRACK,
        idle_limit_frames=5,
    )


GRAPH = GraphSpec(
    name="step",
    file="graphs/step.onnx",
    precision=Precision.FLOAT32,
    target=None,
    derived_from=None,
    opset=18,
    ir_version=10,
    # States and observations are mixed on purpose: no order tells them apart.
    inputs=(tensor("memory", 2, 3), tensor("x", 3), tensor("count", 1), tensor("gain", 1)),
    outputs=(tensor("count_next", 1), tensor("y", 3), tensor("memory_next", 2, 3)),
    batch=BatchRange(min=1, max=8, buckets=(1, 8)),
    states=(pair("count", 1, initial=2.0), pair("memory", 2, 3, initial=-0.5)),
)


def step(feeds: Mapping[str, Array]) -> Mapping[str, Array]:
    """A leaky memory and a counter, both of which show in what comes out."""
    following = 0.5 * feeds["memory"] + (feeds["gain"] * feeds["x"])[:, None, :]
    return {
        "y": following.sum(axis=1) * feeds["count"],
        "memory_next": following,
        "count_next": feeds["count"] + 1.0,
    }


def observations(steps: int, batch: int, seed: int = 0) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    return {
        "x": random.normal(size=(steps, batch, 3)).astype(np.float32),
        "gain": random.normal(size=(steps, batch, 1)).astype(np.float32),
    }


def test_fresh_states_have_their_initial_values() -> None:
    states = initial_states(GRAPH, 4)
    assert {name: array.shape for name, array in states.items()} == {"count": (4, 1), "memory": (4, 2, 3)}
    assert {array.dtype for array in states.values()} == {np.dtype(np.float32)}
    assert np.unique(states["count"]).tolist() == [2.0]
    assert np.unique(states["memory"]).tolist() == [-0.5]


def test_observed_inputs_are_all_that_are_not_state() -> None:
    assert observed_inputs(GRAPH) == ("x", "gain")


@given(steps=st.integers(1, 6), batch=st.integers(1, 4), seed=st.integers(0, 99))
def test_the_loop_feeds_its_own_state_back(steps: int, batch: int, seed: int) -> None:
    given_in = observations(steps, batch, seed)
    found = roll_out(GRAPH, step, given_in)
    for row in range(batch):  # each row alone, in plain double arithmetic
        memory, count = np.full((2, 3), -0.5), 2.0
        for t in range(steps):
            memory = 0.5 * memory + (float(given_in["gain"][t, row, 0]) * given_in["x"][t, row].astype(float))
            np.testing.assert_allclose(found["y"][t, row], memory.sum(axis=0) * count, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(found["memory_next"][t, row], memory, rtol=1e-5, atol=1e-6)
            count += 1.0
            assert found["count_next"][t, row] == [count]


def test_every_output_is_kept_in_the_order_of_the_graph() -> None:
    found = roll_out(GRAPH, step, observations(5, 2))
    assert list(found) == ["count_next", "y", "memory_next"]
    assert {name: array.shape for name, array in found.items()} == {
        "count_next": (5, 2, 1),
        "y": (5, 2, 3),
        "memory_next": (5, 2, 2, 3),
    }


def test_every_step_gets_every_input_and_nothing_else() -> None:
    seen: list[set[str]] = []

    def nosy(feeds: Mapping[str, Array]) -> Mapping[str, Array]:
        seen.append(set(feeds))
        return step(feeds)

    roll_out(GRAPH, nosy, observations(3, 1))
    assert seen == [{"memory", "x", "count", "gain"}] * 3


def test_outputs_that_are_no_part_of_the_graph_are_left_out() -> None:
    found = roll_out(GRAPH, lambda feeds: {**step(feeds), "gossip": np.zeros(1, np.float32)}, observations(2, 1))
    assert "gossip" not in found


def test_a_rollout_begins_afresh_every_time() -> None:
    given_in = observations(4, 2)
    first, second = roll_out(GRAPH, step, given_in), roll_out(GRAPH, step, given_in)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_a_rollout_is_the_beginning_of_a_longer_one() -> None:
    given_in = observations(6, 2)
    whole = roll_out(GRAPH, step, given_in)
    half = roll_out(GRAPH, step, {name: array[:3] for name, array in given_in.items()})
    for name in whole:
        np.testing.assert_array_equal(half[name], whole[name][:3])


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"x": np.zeros((2, 1, 3), np.float32)},
        observations(2, 1) | {"memory": np.zeros((2, 1, 2, 3), np.float32)},
        observations(2, 1) | {"z": np.zeros((2, 1, 3), np.float32)},
        observations(2, 1) | {"gain": np.zeros((3, 1, 1), np.float32)},
        observations(2, 1) | {"gain": np.zeros((2, 2, 1), np.float32)},
    ],
    ids=["nothing", "one missing", "a state", "a stranger", "other steps", "another batch"],
)
def test_refuses_observations_that_do_not_fit(wrong: dict[str, Array]) -> None:
    with pytest.raises(ContractError, match=r"expected \['gain', 'x'\], all with the same steps and batch"):
        roll_out(GRAPH, step, wrong)


class NumpyEngine(Engine):
    """An engine whose backend is `step`."""

    name = "numpy"

    def _bind(self, batch: int) -> BoundStep:
        return NumpyStep(self.graph, batch)


class NumpyStep(BoundStep):
    def run(self) -> None:
        for name, values in step(self.inputs).items():
            np.copyto(self.outputs[name], values)


def test_an_engine_is_rolled_out_through_its_own_graph() -> None:
    # Engines own their buffers and write over them at every step; what was kept must not change with them.
    given_in = observations(6, 3)
    found, expected = roll_out_engine(NumpyEngine(GRAPH), given_in), roll_out(GRAPH, step, given_in)
    assert list(found) == list(expected)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])


def test_an_engine_refuses_a_batch_beyond_its_graph() -> None:
    with pytest.raises(ContractError, match="outside of 1 to 8"):
        roll_out_engine(NumpyEngine(GRAPH), observations(2, 9))
