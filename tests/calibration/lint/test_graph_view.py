"""The index over a graph."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from crystaledge_calibration.lint.constants import constants_of, type_name
from crystaledge_calibration.lint.graph_view import GraphView
from crystaledge_calibration.lint.quantizers import QUANTIZING_OPS, Kind, quantizers_of
from tests.calibration.lint import faults
from tests.calibration.lint.builders import clean_model, spoiled


def view(*nodes: onnx.NodeProto, inputs: tuple[str, ...] = ("x",)) -> GraphView:
    """A graph of these nodes, types and shapes left out."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inputs]
    last = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    return GraphView.of(helper.make_model(helper.make_graph(list(nodes), "g", values, [last])))


def test_makers_and_readers() -> None:
    found = GraphView.of(clean_model())
    maker = found.maker("stem_relu_d")
    assert maker is not None and maker.label == "stem_relu_DQ"
    assert [node.label for node in found.readers("stem_relu_d")] == ["conv_block", "residual"]
    assert found.maker("face") is None
    assert found.readers("nothing") == ()
    assert (found.inputs, found.outputs[0]) == (("face", "hidden"), "hidden_next")
    assert found.opset == 17


def test_walks_go_through_what_they_are_told_to() -> None:
    found = GraphView.of(clean_model())
    assert found.origin("w_stem_d", through=QUANTIZING_OPS) == "w_stem"
    assert found.origin("w_stem_d", through={"Identity"}) == "w_stem_d"
    assert found.reach("hidden", through={"Sub"}) == ("hidden", "change")
    assert {"velocity", "hidden_next"} <= set(found.reach("hidden"))
    assert {node.label for node in found.ancestors("taken", through={"Mul"})} == {
        "mul_taken",
        "sigmoid_quality",
        "sub_change",
    }
    assert "conv_stem" in {node.label for node in found.ancestors("taken")}


def test_a_cycle_ends_a_walk() -> None:
    found = view(helper.make_node("Identity", ["b"], ["a"]), helper.make_node("Identity", ["a"], ["b"]))
    assert found.origin("a", through={"Identity"}) in {"a", "b"}
    assert set(found.reach("a")) == {"a", "b"}
    assert len(found.ancestors("a")) == 2


def test_a_node_without_name_is_called_by_operator_and_place() -> None:
    found = view(helper.make_node("Relu", ["x"], ["h"]), helper.make_node("Relu", ["h"], ["y"], "last"))
    assert [node.label for node in found.nodes] == ["Relu #0", "last"]


def test_initializers_among_the_inputs_are_no_inputs() -> None:
    model = clean_model()
    model.graph.input.append(helper.make_tensor_value_info("b_stem", TensorProto.FLOAT, [4]))
    assert GraphView.of(model).inputs == ("face", "hidden")


def test_both_names_of_the_default_domain_are_one() -> None:
    model = clean_model()
    model.opset_import[0].domain = "ai.onnx"
    model.graph.node[0].domain = "ai.onnx"
    found = GraphView.of(model)
    assert found.opset == 17
    assert found.nodes[0].domain == ""


def test_subgraphs_are_seen_and_what_they_capture_is_read() -> None:
    found = GraphView.of(spoiled(faults.branch(quantized=True)))
    branch = found.nodes[-1]
    assert branch.has_subgraph and not found.nodes[0].has_subgraph
    assert branch in found.readers("features")
    assert [node.op_type for node in found.inner_nodes] == ["QuantizeLinear", "DequantizeLinear", "Relu"] * 2


def test_what_a_subgraph_of_a_subgraph_captures_is_read() -> None:
    relu = helper.make_node("Relu", ["x"], ["h"])
    deep = helper.make_graph([relu], "deep", [], [helper.make_tensor_value_info("h", TensorProto.FLOAT, None)])
    inner = helper.make_node("If", ["c"], ["g"], then_branch=deep, else_branch=deep)
    middle = helper.make_graph([inner], "middle", [], [])
    outer = helper.make_node("If", ["c"], ["y"], "outer", then_branch=middle, else_branch=middle)
    assert [node.label for node in view(outer).readers("x")] == ["outer"]


def test_nodes_of_local_functions_are_inner_nodes() -> None:
    model = clean_model()
    body = [helper.make_node("GRU", ["x"], ["y"])]
    function = helper.make_function("house", "f", ["x"], ["y"], body, [helper.make_opsetid("", 17)])
    model.functions.append(function)
    assert [node.op_type for node in GraphView.of(model).inner_nodes] == ["GRU"]


def test_constants_of_every_form() -> None:
    tensor = numpy_helper.from_array(np.arange(3, dtype=np.float32), "t")
    sparse = onnx.SparseTensorProto(values=tensor, indices=tensor, dims=[8])
    make = helper.make_node
    graph = helper.make_graph(
        [
            make("Constant", [], ["tensor"], value=tensor),
            make("Constant", [], ["float"], value_float=0.5),
            make("Constant", [], ["floats"], value_floats=[0.5, 1.5]),
            make("Constant", [], ["int"], value_int=7),
            make("Constant", [], ["ints"], value_ints=[7, 8]),
            make("Constant", [], ["sparse"], sparse_value=sparse),
        ],
        "g",
        [],
        [],
        [numpy_helper.from_array(np.array(3, np.int8), "initializer")],
    )
    values = {name: constant.value for name, constant in constants_of(graph).items()}
    assert values.pop("sparse") is None
    read = {name: value.tolist() for name, value in values.items() if value is not None}
    assert read.pop("initializer") == 3
    assert read == {"tensor": [0.0, 1.0, 2.0], "float": 0.5, "floats": [0.5, 1.5], "int": 7, "ints": [7, 8]}


@pytest.mark.parametrize("size", [-1, 5, 10**12])
def test_a_constant_whose_shape_does_not_fit_has_no_value(size: int) -> None:
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "t")
    tensor.dims[0] = size
    assert constants_of(helper.make_graph([], "g", [], [], [tensor]))["t"].value is None


def test_unknown_types_have_a_name() -> None:
    assert (type_name(TensorProto.INT8), type_name(None), type_name(999)) == ("int8", "unknown", "unknown")


def test_quantizers_know_weights_from_activations() -> None:
    found = {q.node.label: q for q in quantizers_of(GraphView.of(clean_model()))}
    assert found["w_stem_Q"].of_constant and found["w_stem_DQ"].of_constant
    assert not found["face_Q"].of_constant and not found["face_DQ"].of_constant
    assert found["w_stem_Q"].per_channel and not found["face_Q"].per_channel
    assert (found["w_recurrent_Q"].axis, found["face_Q"].axis) == (1, 1)
    assert (found["face_Q"].kind, found["face_DQ"].kind) == (Kind.QUANTIZE, Kind.DEQUANTIZE)
    assert found["face_DQ"].repeats and not found["face_Q"].repeats
    assert found["face_Q"].element_type == TensorProto.INT8
