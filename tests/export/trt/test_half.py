"""float16 written into the file: what is computed, what stays float32, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from crystaledge.errors import UsageError
from crystaledge.manifest.model import GraphSpec, Precision
from crystaledge_calibration.choices import LintTarget
from crystaledge_calibration.lint.findings import is_legal
from crystaledge_calibration.lint.lint import lint_graph
from crystaledge_export.trt.half import half_graph, half_nodes
from tests.calibration.builders import (
    HEADS,
    QUANTIZABLE,
    constants,
    maker_of,
    node_of,
    small_batch,
    small_model,
    small_spec,
    small_step,
    small_weights,
)
from tests.calibration.lint.builders import TENSORRT_TARGETS
from tests.export.trt.builders import embedded, embedded_model, random_feeds
from tests.support.messages import message_of

Array = NDArray[np.float32]
TRUNK = ("relu_stem", "residual", "relu_block", "pool", "flatten")
GATES = ("Sigmoid", "Tanh", "Sub", "Mul")
EPSILON = float(np.finfo(np.float16).eps)
"""Relative spacing of float16; a state in [-1, 1] that is rounded a few times a step is off by a few of these."""


def half_names(model: onnx.ModelProto, states: set[str]) -> set[str]:
    return {model.graph.node[place].name for place in half_nodes(model, states)}


def half_small(changed: dict[str, Array] | None = None) -> ModelProto:
    return half_graph(small_model(changed), small_spec())


def half_embedded() -> ModelProto:
    return half_graph(embedded_model(), embedded().graph())


BOTH = pytest.mark.parametrize("make", [half_small, half_embedded], ids=["small", "embedded"])


def types_of(model: ModelProto) -> dict[str, int]:
    """Element type of every tensor of a graph."""
    values = (*model.graph.input, *model.graph.output, *model.graph.value_info)
    return {v.name: v.type.tensor_type.elem_type for v in values} | {
        i.name: i.data_type for i in model.graph.initializer
    }


def test_a_rollout_stays_within_float16_of_the_step_in_numpy() -> None:
    session, batch = ReferenceEvaluator(half_small()), small_batch(steps=24)
    state = expected = np.zeros((len(batch.order[0]), 6), np.float32)
    differs = False
    for order in batch.order:
        face = batch.frames[order]
        found = dict(zip(session.output_names, session.run(None, {"face": face, "hidden": state}), strict=True))
        truth = small_step(face, expected)
        state, expected = found["hidden_next"], truth["hidden_next"]
        differs = differs or not np.array_equal(state, expected)
        for name, values in found.items():
            assert values.dtype == np.float32
            np.testing.assert_allclose(values, truth[name], atol=16 * EPSILON, rtol=8 * EPSILON, err_msg=name)
    assert differs, "nothing was computed in float16"


def test_the_embedded_graph_stays_within_float16_over_a_rollout() -> None:
    graph = embedded().graph()
    half, whole = ReferenceEvaluator(half_embedded()), ReferenceEvaluator(embedded_model())
    states = [np.zeros((1, *graph.states[0].shape), np.float32)] * 2
    for step in range(3):
        face = random_feeds(graph, 1, seed=step)["face"]
        results = [s.run(None, {"face": face, "hidden": h}) for s, h in zip((half, whole), states, strict=True)]
        states = [np.asarray(next(iter(made))) for made in results]
        for name, found, truth in zip(half.output_names, *results, strict=True):
            np.testing.assert_allclose(found, truth, atol=16 * EPSILON, err_msg=name)
    assert not np.array_equal(states[0], states[1]), "nothing was computed in float16"


@BOTH
def test_border_gates_and_state_stay_float32(make: Callable[[], ModelProto]) -> None:
    model = make()
    types = types_of(model)
    border = [value.name for value in (*model.graph.input, *model.graph.output)]
    assert {types[name] for name in border} == {TensorProto.FLOAT}
    gates = [node for node in model.graph.node if node.op_type in GATES]
    assert gates
    for node in gates:
        assert {types[name] for name in (*node.input, *node.output)} == {TensorProto.FLOAT}, node.name
    maker = maker_of(model, "hidden_next")
    assert maker is not None and maker.op_type == "Add"
    assert TensorProto.FLOAT16 in types.values()


@BOTH
def test_every_tensor_that_crosses_is_cast_once(make: Callable[[], ModelProto]) -> None:
    casts = [node for node in make().graph.node if node.op_type == "Cast"]
    kinds = {helper.get_attribute_value(node.attribute[0]) for node in casts}
    assert kinds == {TensorProto.FLOAT, TensorProto.FLOAT16}
    assert len({node.input[0] for node in casts}) == len(casts)


@BOTH
def test_the_file_is_a_valid_one(make: Callable[[], ModelProto]) -> None:
    onnx.checker.check_model(make(), full_check=True)


def test_a_fresh_export_gives_a_valid_file(tiny_model: ModelProto) -> None:
    outputs = [value.name for value in tiny_model.graph.output]
    half = half_graph(tiny_model, embedded().graph())
    onnx.checker.check_model(half, full_check=True)
    assert [value.name for value in half.graph.output] == outputs


def test_weights_of_half_operators_are_halved_on_file() -> None:
    whole, half = embedded_model(), half_embedded()
    assert len(half.SerializeToString()) < 0.6 * len(whole.SerializeToString())
    types = types_of(half)
    for node in half.graph.node:
        if node.op_type == "Conv":
            assert {types[name] for name in node.input[1:]} == {TensorProto.FLOAT16}, node.name
    stored = constants(half)
    for name, value in constants(whole).items():
        assert np.array_equal(stored[name], value.astype(stored[name].dtype)), name


def test_the_float32_graph_is_left_as_it_was() -> None:
    model = embedded_model()
    before = model.SerializeToString(deterministic=True)
    half_graph(model, embedded().graph())
    assert model.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize(
    "target",
    [target for target in TENSORRT_TARGETS],
)
def test_the_linter_takes_the_float16_graph_wherever_it_takes_the_float32_one(target: LintTarget) -> None:
    for graph, whole, half in (
        (embedded().graph(), embedded_model(), half_embedded()),
        (small_spec(), small_model(), half_small()),
    ):
        assert is_legal(lint_graph(whole.SerializeToString(), graph, target))
        assert is_legal(lint_graph(half.SerializeToString(), graph, target))


def test_heavy_operators_and_the_trunk_between_them_are_half() -> None:
    assert half_names(small_model(), {"hidden"}) == {*QUANTIZABLE, *TRUNK}


def test_heads_read_the_next_state_and_are_not_half() -> None:
    assert not {*HEADS} & half_names(small_model(), {"hidden"})


def test_a_trunk_operator_between_float_operators_is_not_half() -> None:
    model = small_model()
    node_of(model, "sigmoid_update").op_type = "Relu"
    node_of(model, "tanh_new").op_type = "Relu"
    assert not {"sigmoid_update", "tanh_new"} & half_names(model, {"hidden"})


def test_a_trunk_operator_that_reads_half_and_float_is_not_half() -> None:
    model = small_model()
    node_of(model, "residual").input[1] = "face"
    assert not {"residual", "relu_block", "pool", "flatten"} & half_names(model, {"hidden"})


def test_a_trunk_operator_that_depends_on_the_state_is_not_half() -> None:
    # add_update sums two half products, one of which read the state: it is part of the gate.
    assert "add_update" not in half_names(small_model(), {"hidden"})
    assert "add_update" in half_names(small_model(), set())


def test_a_weight_beyond_float16_is_refused() -> None:
    weight = small_weights()["w_skip"]
    weight[0, 0] = -65520.0
    with pytest.raises(UsageError, match="'w_skip' does not fit into float16") as raised:
        half_small({"w_skip": weight})
    assert "float32" in message_of(raised)


def test_the_largest_float16_and_a_large_weight_that_stays_float_are_taken() -> None:
    skip, head = small_weights()["w_skip"], small_weights()["w_velocity"]
    skip[0, 0], head[0, 0] = 65504.0, 1e6
    stored = constants(half_small({"w_skip": skip, "w_velocity": head}))
    assert stored["w_skip"].dtype == np.float16 and stored["w_skip"].max() == 65504.0
    assert stored["w_velocity"].dtype == np.float32 and stored["w_velocity"].max() == 1e6


def test_a_quantized_graph_is_refused() -> None:
    graph: GraphSpec = replace(small_spec(), precision=Precision.INT8)
    with pytest.raises(UsageError, match="is int8; float16 is made from the float32 graph") as raised:
        half_graph(small_model(), graph)
    message_of(raised)


def test_a_weight_that_a_float_operator_reads_too_stays_legal() -> None:
    # Some exporters store equal tensors once; that of this project was not seen to do so.
    model = small_model()
    node_of(model, "gemm_velocity").input[2] = "b_quality"
    onnx.checker.check_model(half_graph(model, small_spec()), full_check=True)


def test_nodes_need_no_names() -> None:
    named, unnamed = small_model(), small_model()
    for node in unnamed.graph.node:
        node.name = ""
    expected = half_graph(named, small_spec())
    found = half_graph(unnamed, small_spec())
    onnx.checker.check_model(found, full_check=True)
    assert [(n.op_type, *n.input) for n in found.graph.node] == [(n.op_type, *n.input) for n in expected.graph.node]


def test_an_operator_that_is_half_reads_no_float_constant() -> None:
    for node in half_small().graph.node:
        if node.name in {*QUANTIZABLE, *TRUNK}:
            assert all(n.endswith("_half") or constants(half_small())[n].dtype == np.float16 for n in node.input)


def test_a_scalar_beside_the_trunk_is_halved_with_it() -> None:
    model = small_model()
    model.graph.initializer.append(numpy_helper.from_array(np.array(0.5, np.float32), "shift"))
    node_of(model, "residual").input[1] = "shift"
    assert "residual" in half_names(model, {"hidden"})
    onnx.checker.check_model(half_graph(model, small_spec()), full_check=True)


def test_an_output_that_a_half_operator_makes_is_cast_back() -> None:
    model = small_model()
    model.graph.node.remove(node_of(model, "sigmoid_quality"))
    node_of(model, "gemm_quality").output[0] = "quality"
    half = half_graph(model, small_spec())
    onnx.checker.check_model(half, full_check=True)
    maker = maker_of(half, "quality")
    assert maker is not None and maker.op_type == "Cast"


def test_no_type_is_noted_of_a_tensor_that_is_gone() -> None:
    half = half_graph(onnx.shape_inference.infer_shapes(small_model()), small_spec())
    made = {name for node in half.graph.node for name in node.output}
    assert {value.name for value in half.graph.value_info} <= made
    assert "stem" not in made
