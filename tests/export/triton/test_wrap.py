"""The graph that Triton calls: the step itself, but for tracks that start and slots that have no request."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper

from crystaledge.manifest.model import GraphSpec
from crystaledge_export.triton.backend import TritonBackend
from crystaledge_export.triton.wrap import CORRID, READY, START, TRACK, with_controls
from tests.support.manifests import tiny_graph_spec
from tests.support.step_graphs import HIDDEN, SIDE, tiny_step, tiny_step_model

Array = NDArray[np.float32]
INITIAL = 0.25


def spec(initial: float) -> GraphSpec:
    graph = tiny_graph_spec()
    return replace(graph, states=tuple(replace(pair, initial=initial) for pair in graph.states))


@pytest.fixture(scope="module")
def wrapped() -> ort.InferenceSession:
    model = with_controls(tiny_step_model(), spec(INITIAL), TritonBackend.ONNXRUNTIME)
    onnx.checker.check_model(model, full_check=True)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def feeds(batch: int, start: list[bool], ready: list[bool]) -> dict[str, NDArray[np.generic]]:
    random = np.random.default_rng(batch)
    return {
        "face": random.normal(size=(batch, 3, SIDE, SIDE)).astype(np.float32),
        "hidden": random.uniform(-1, 1, (batch, HIDDEN)).astype(np.float32),
        START: np.array(start)[:, None],
        READY: np.array(ready)[:, None],
        CORRID: np.arange(100, 100 + batch, dtype=np.int64)[:, None],
    }


@given(flags=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=5))
def test_it_is_the_step_from_the_right_state(wrapped: ort.InferenceSession, flags: list[tuple[bool, bool]]) -> None:
    start, ready = [s for s, _ in flags], [r for _, r in flags]
    given_feeds = feeds(len(flags), start, ready)
    found = dict(zip([o.name for o in wrapped.get_outputs()], wrapped.run(None, given_feeds), strict=True))
    face, hidden = given_feeds["face"].astype(np.float32), given_feeds["hidden"].astype(np.float32)
    read = np.where(np.array(start)[:, None], np.float32(INITIAL), hidden)
    expected = tiny_step(face, read)
    kept = np.where(np.array(ready)[:, None], expected["hidden_next"], hidden)
    np.testing.assert_allclose(found["hidden_next"], kept, atol=1e-6)
    for name in ("velocity", "log_variance", "quality"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-6, err_msg=name)
    assert found[TRACK].tolist() == given_feeds[CORRID].tolist()


def test_memory_that_was_never_initialised_cannot_get_in(wrapped: ort.InferenceSession) -> None:
    garbage = feeds(2, [True, True], [True, True]) | {"hidden": np.full((2, HIDDEN), np.nan, np.float32)}
    clean = garbage | {"hidden": np.full((2, HIDDEN), INITIAL, np.float32)}
    for found, expected in zip(wrapped.run(None, garbage), wrapped.run(None, clean), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_graph_in_the_bundle_is_left_alone() -> None:
    model = tiny_step_model()
    with_controls(model, spec(0.0), TritonBackend.TENSORRT)
    assert model == tiny_step_model()


def test_a_map_starts_and_waits_as_a_whole() -> None:
    """Broadcasting (B, 1) over (B, C, H, W) from the right would mix rows: B and H are equal here."""
    batch, shape = 2, (3, 2, 2)
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Add", ["memory", "memory"], ["memory_next"], name="double")],
        "g",
        [value("memory", TensorProto.FLOAT, ["batch", *shape])],
        [value("memory_next", TensorProto.FLOAT, ["batch", *shape])],
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    pair = replace(tiny_graph_spec().states[0], input="memory", output="memory_next", shape=shape, initial=1.0)
    wrapped = with_controls(model, replace(tiny_graph_spec(), states=(pair,)), TritonBackend.ONNXRUNTIME)
    onnx.checker.check_model(wrapped, full_check=True)
    session = ort.InferenceSession(wrapped.SerializeToString(), providers=["CPUExecutionProvider"])
    memory = np.arange(24, dtype=np.float32).reshape(batch, *shape)
    flags = {START: np.array([[True], [False]]), READY: np.array([[True], [False]])}
    found, _ = session.run(None, {"memory": memory, CORRID: np.zeros((batch, 1), np.int64), **flags})
    np.testing.assert_array_equal(found[0], np.full(shape, 2.0))
    np.testing.assert_array_equal(found[1], memory[1])
