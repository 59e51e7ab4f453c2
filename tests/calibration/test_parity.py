"""Errors, cosines and clipping of two rollouts, against slow recomputation."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.jsonio import dumps
from crystaledge.manifest.model import GraphSpec
from crystaledge_calibration.parity import ParityTrace, StateClipping, checked_steps, relative_error
from tests.support.manifests import state_pair, tensor, tiny_graph_spec
from tests.support.step_graphs import HIDDEN

Array = NDArray[np.float32]
Outputs = dict[str, Array]
STEPS = (1, 2, 4)


def two_state_graph() -> GraphSpec:
    """The tiny graph with a second state, so that joining is seen."""
    graph = tiny_graph_spec()
    return replace(
        graph,
        inputs=(*graph.inputs, tensor("memory", 2, 3)),
        outputs=(*graph.outputs, tensor("memory_next", 2, 3)),
        states=(*graph.states, state_pair("memory", 2, 3)),
    )


def outputs(graph: GraphSpec, batch: int, seed: int) -> Outputs:
    random = np.random.default_rng(seed)
    shapes = {spec.name: tuple(size for size in spec.shape[1:] if isinstance(size, int)) for spec in graph.outputs}
    return {name: random.normal(size=(batch, *shape)).astype(np.float32) for name, shape in shapes.items()}


def both(graph: GraphSpec, batch: int) -> dict[int, tuple[Outputs, Outputs]]:
    """Outputs of two graphs at each checked step, the second a little off."""
    found = {}
    for step in STEPS:
        a, noise = outputs(graph, batch, step), outputs(graph, batch, 100 + step)
        found[step] = (a, {name: (a[name] + 0.1 * step * noise[name]).astype(np.float32) for name in a})
    return found


def traced(graph: GraphSpec, steps: dict[int, tuple[Outputs, Outputs]], sizes: list[int]) -> ParityTrace:
    """A trace that was given the rows in batches of these sizes."""
    trace, start = ParityTrace(graph, STEPS), 0
    for size in sizes:
        rows = slice(start, start + size)
        for step, (a, b) in steps.items():
            trace.add(step, {k: v[rows] for k, v in a.items()}, {k: v[rows] for k, v in b.items()})
        start += size
    return trace


@given(st.integers(1, 5000))
def test_checked_steps_are_powers_of_two_and_the_horizon(horizon: int) -> None:
    steps = checked_steps(horizon)
    assert steps[0] == 1 and steps[-1] == horizon
    assert list(steps) == sorted(set(steps))
    assert all(step & (step - 1) == 0 for step in steps[:-1])
    assert all(later <= 2 * step for step, later in itertools.pairwise(steps))


def test_every_outputs_error_is_that_of_a_slow_recomputation() -> None:
    graph, steps = two_state_graph(), both(two_state_graph(), 7)
    found = {trace.tensor: trace for trace in traced(graph, steps, [7]).tensors()}
    assert list(found) == [spec.name for spec in graph.outputs]
    for name, trace in found.items():
        for i, (a, b) in enumerate(steps.values()):
            errors = [abs(float(x) - float(y)) for x, y in zip(a[name].ravel(), b[name].ravel(), strict=True)]
            assert trace.max_abs[i] == pytest.approx(max(errors))
            assert trace.mean_abs[i] == pytest.approx(sum(errors) / len(errors))


def test_the_state_is_that_of_a_slow_recomputation() -> None:
    graph, steps = two_state_graph(), both(two_state_graph(), 9)
    state = traced(graph, steps, [9]).state()
    for i, (a, b) in enumerate(steps.values()):
        cosines, errors = [], []
        for row in range(9):
            x = np.concatenate([a[name][row].ravel() for name in ("hidden_next", "memory_next")]).astype(float)
            y = np.concatenate([b[name][row].ravel() for name in ("hidden_next", "memory_next")]).astype(float)
            cosines.append(float(x @ y) / float(np.sqrt((x @ x) * (y @ y))))
            errors.append(float(np.sqrt(np.sum((x - y) ** 2) / np.sum(x**2))))
        ordered = sorted(cosines)
        assert state.cosine_mean[i] == pytest.approx(sum(cosines) / 9)
        assert state.cosine_min[i] == pytest.approx(ordered[0])
        assert state.cosine_p01[i] == pytest.approx(ordered[0] + 0.08 * (ordered[1] - ordered[0]))
        assert state.relative_error[i] == pytest.approx(sum(errors) / 9)


@pytest.mark.parametrize("sizes", [[12], [1] * 12, [5, 7], [8, 1, 3]])
def test_batches_of_any_size_give_the_same_trace(sizes: list[int]) -> None:
    graph, steps = tiny_graph_spec(), both(tiny_graph_spec(), 12)
    found, whole = traced(graph, steps, sizes), traced(graph, steps, [12])
    assert found.state() == whole.state()
    for one, other in zip(found.tensors(), whole.tensors(), strict=True):
        np.testing.assert_allclose(one.max_abs, other.max_abs)
        np.testing.assert_allclose(one.mean_abs, other.mean_abs)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_an_error_beyond_all_and_can_be_written(value: float) -> None:
    graph, steps = tiny_graph_spec(), both(tiny_graph_spec(), 3)
    steps[2][1]["hidden_next"][1, 0] = value
    trace = traced(graph, steps, [3])
    (hidden,) = (t for t in trace.tensors() if t.tensor == "hidden_next")
    assert hidden.max_abs[1] == 1e30 and hidden.mean_abs[1] == 1e30
    assert hidden.max_abs[0] < 10.0 and hidden.max_abs[2] < 10.0
    assert trace.state().cosine_min[1] == 0.0
    assert trace.state().relative_error[1] >= 1e5
    dumps(trace.state())


def test_a_relative_error_of_nothing_is_bounded() -> None:
    zero, one = np.zeros((1, 4), np.float32), np.ones((1, 4), np.float32)
    assert relative_error(zero, zero).tolist() == [0.0]
    assert relative_error(zero, one).tolist() == [1e6]
    assert relative_error(one, 2 * one).tolist() == [1.0]


STATES = st.lists(st.integers(0, 2**16).map(lambda seed: np.random.default_rng(seed)), min_size=1, max_size=5)


@given(STATES, st.floats(0.01, 2.0))
def test_clipping_is_counted_by_channel_and_merges_to_the_same(
    generators: list[np.random.Generator], limit: float
) -> None:
    rows = [g.normal(size=(int(g.integers(1, 4)), HIDDEN)).astype(np.float32) for g in generators]
    whole, merged = StateClipping({"hidden": limit}), StateClipping({"hidden": limit})
    for states in rows:
        part = StateClipping({"hidden": limit})
        part.add({"hidden": states})
        merged.merge(part)
        whole.add({"hidden": states})
    everything = np.concatenate(rows)
    expected = [sum(abs(float(x)) > limit for x in column) / len(everything) for column in everything.T]
    (record,) = whole.record()
    assert record.tensor == "hidden"
    np.testing.assert_allclose(record.share, expected)
    assert merged.record() == whole.record()


def test_a_state_that_is_not_quantized_is_not_counted() -> None:
    clipping = StateClipping({})
    clipping.add({"hidden": np.ones((2, HIDDEN), np.float32)})
    assert clipping.record() == ()
