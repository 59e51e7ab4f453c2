"""What calibration sees in a step graph, against a graph whose every weight is known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from crystaledge.manifest.model import Target
from crystaledge_calibration.observe import watched_step
from crystaledge_calibration.qdq import quantized_tensors
from crystaledge_calibration.step_model import (
    WeightedNode,
    fed_back,
    quantizable_nodes,
    tiny_nodes,
    weighted_nodes,
    weights_of,
    with_outputs,
    with_weights,
)
from tests.calibration.builders import (
    CHANNELS,
    HEADS,
    QUANTIZABLE,
    model_of,
    node_of,
    small_batch,
    small_model,
    small_step,
    small_weights,
)
from tests.support.step_graphs import HIDDEN, SIDE

PLACES = SIDE * SIDE


def described(model: onnx.ModelProto | None = None) -> Mapping[str, WeightedNode]:
    return {node.name: node for node in weighted_nodes(model or small_model())}


def test_weighted_nodes_come_in_the_order_in_which_they_run() -> None:
    assert tuple(described()) == (*QUANTIZABLE, *HEADS)


@pytest.mark.parametrize(
    ("name", "data", "weight", "bias", "output"),
    [
        ("conv_stem", "face", "w_stem", "b_stem", "stem"),
        ("gemm_update_hidden", "hidden", "w_update_hidden", "b_update_hidden", "update_hidden"),
        ("matmul_new_hidden", "hidden", "w_new_hidden", None, "new_hidden"),
    ],
)
def test_a_node_names_its_tensors(name: str, data: str, weight: str, bias: str | None, output: str) -> None:
    node = described()[name]
    assert (node.data, node.weight, node.bias, node.output) == (data, weight, bias, output)


@pytest.mark.parametrize(
    ("name", "channels", "inputs"),
    [
        ("conv_stem", 0, 1),
        ("conv_main", 0, 0),
        ("conv_skip", 0, 1),
        ("gemm_update_face", 0, 1),
        ("gemm_quality", 1, 0),
        ("matmul_new_face", 1, 0),
    ],
)
def test_channels_are_found_on_the_axis_that_the_operator_puts_them_on(name: str, channels: int, inputs: int) -> None:
    node, weights = described()[name], small_weights()
    assert (node.channel_axis, node.input_axis) == (channels, inputs)
    assert node.depthwise is (name == "conv_main")
    if node.bias is not None:
        assert weights[node.weight].shape[channels] == len(weights[node.bias])


def test_cost_is_that_of_one_row() -> None:
    counted = {name: (node.macs, node.weights) for name, node in described().items()}
    stem, main, skip = CHANNELS * 3 * 9, CHANNELS * 9, CHANNELS * CHANNELS
    assert counted["conv_stem"] == (stem * PLACES, stem)
    assert counted["conv_main"] == (main * PLACES, main)
    assert counted["conv_skip"] == (skip * PLACES, skip)
    assert counted["gemm_update_face"] == (HIDDEN * CHANNELS, HIDDEN * CHANNELS)
    assert counted["matmul_new_hidden"] == (HIDDEN * HIDDEN, HIDDEN * HIDDEN)


def test_a_strided_convolution_costs_its_output_places() -> None:
    model = small_model()
    node_of(model, "conv_stem").attribute.append(helper.make_attribute("strides", [2, 2]))
    assert described(model)["conv_stem"].macs == CHANNELS * 3 * 9 * PLACES // 4


def test_a_convolution_that_makes_an_output_costs_its_output_places() -> None:
    model = small_model()
    model.graph.output.append(helper.make_tensor_value_info("stem", onnx.TensorProto.FLOAT, None))
    assert described(model)["conv_stem"].macs == CHANNELS * 3 * 9 * PLACES


def test_a_linear_layer_over_the_cells_of_a_map_costs_every_cell() -> None:
    nodes = [
        helper.make_node("Transpose", ["face"], ["last"], "transpose", perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["last", "cells"], ["rows"], "reshape"),
        helper.make_node("Gemm", ["rows", "weight"], ["products"], "gemm", transB=1),
        helper.make_node("Shape", ["face"], ["sizes"], "shape"),
        helper.make_node("ReduceMax", ["products"], ["peak"], "reduce", axes=[1], keepdims=0),
    ]
    face = helper.make_tensor_value_info("face", onnx.TensorProto.FLOAT, ["batch", 3, 4, 6])
    peak = helper.make_tensor_value_info("peak", onnx.TensorProto.FLOAT, None)
    initializers = [
        numpy_helper.from_array(np.array([-1, 3], np.int64), "cells"),
        numpy_helper.from_array(np.ones((5, 3), np.float32), "weight"),
    ]
    graph = helper.make_graph(nodes, "cells", [face], [peak], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert described(model)["gemm"].macs == 4 * 6 * 5 * 3
    kinds = {v.name: v.type.tensor_type.elem_type for v in with_outputs(model, ["products", "sizes"]).graph.output}
    assert (kinds["products"], kinds["sizes"]) == (onnx.TensorProto.FLOAT, onnx.TensorProto.INT64)


def test_a_product_of_two_tensors_has_no_weight() -> None:
    model = small_model()
    node_of(model, "sub_change").op_type = "MatMul"
    assert "sub_change" not in described(model)


def test_a_bias_that_is_computed_is_none_that_could_be_corrected() -> None:
    model = small_model()
    node_of(model, "gemm_update_hidden").input[2] = "update_face"
    assert described(model)["gemm_update_hidden"].bias is None


def test_what_reads_the_next_state_stays_float() -> None:
    assert tuple(node.name for node in quantizable_nodes(small_model())) == QUANTIZABLE


def convolution_and_two_heads() -> onnx.ModelProto:
    """A convolution of 110,592 multiply-accumulates, and heads of 12 and of 9 on its pooled map and on the state."""
    nodes = [
        helper.make_node("Conv", ["face", "w_conv"], ["map"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("ReduceMean", ["map"], ["pooled"], "pool", axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["pooled", "w_three"], ["three"], "gemm_three"),
        helper.make_node("Add", ["hidden", "three"], ["grown"], "grow"),
        helper.make_node("Gemm", ["grown", "w_two"], ["hidden_next"], "gemm_two"),
    ]
    sizes = {"w_conv": (4, 3, 3, 3), "w_three": (4, 3), "w_two": (3, 3)}
    initializers = [numpy_helper.from_array(np.ones(size, np.float32), name) for name, size in sizes.items()]

    def value(name: str, *row_shape: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", *row_shape])

    border = [value("face", 3, 32, 32), value("hidden", 3)], [value("hidden_next", 3)]
    graph = helper.make_graph(nodes, "heads", *border, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_products_under_a_ten_thousandth_of_all_stay_float() -> None:
    model = convolution_and_two_heads()
    assert {name: node.macs for name, node in described(model).items()} == {
        "conv": 110_592,
        "gemm_three": 12,
        "gemm_two": 9,
    }
    assert tiny_nodes(model) == {"gemm_two"}
    assert [node.name for node in quantizable_nodes(model)] == ["conv", "gemm_three"]
    assert quantized_tensors(model, Target.TENSORRT) == ("face", "pooled")


def test_initializers_are_read_by_name() -> None:
    found, expected = weights_of(small_model()), small_weights()
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        np.testing.assert_array_equal(found[name], weight)


def test_weights_are_replaced_in_a_copy() -> None:
    model = small_model()
    before = model.SerializeToString(deterministic=True)
    other = np.full_like(small_weights()["w_skip"], 2.0)
    changed = weights_of(with_weights(model, {"w_skip": other, "stranger": other}))
    assert model.SerializeToString(deterministic=True) == before
    assert changed.keys() == small_weights().keys()
    assert {name for name, value in small_weights().items() if not np.array_equal(value, changed[name])} == {"w_skip"}
    np.testing.assert_array_equal(changed["w_skip"], other)


def test_weights_that_do_not_lie_in_memory_in_order_are_stored_in_order() -> None:
    turned = np.arange(HIDDEN * HIDDEN, dtype=np.float32).reshape(HIDDEN, HIDDEN).T
    changed = weights_of(with_weights(small_model(), {"w_new_hidden": turned}))
    np.testing.assert_array_equal(changed["w_new_hidden"], turned)


def test_inner_tensors_become_outputs_of_a_copy_and_borders_stay_as_they_are() -> None:
    model = small_model()
    exposed = with_outputs(model, ["stem", "hidden_next", "hidden", "pooled"])
    outputs = [value.name for value in model.graph.output]
    assert [value.name for value in exposed.graph.output] == [*outputs, "stem", "pooled"]
    assert len(model.graph.output) == len(outputs)


def test_a_graph_without_weights_has_no_weighted_nodes() -> None:
    assert weighted_nodes(model_of([helper.make_node("Relu", ["face"], ["velocity"], "relu")], {})) == ()


def test_the_small_step_is_what_its_twin_says() -> None:
    frames = small_batch().frames
    hidden = np.random.default_rng(1).uniform(-1.0, 1.0, (len(frames), HIDDEN)).astype(np.float32)
    expected = small_step(frames, hidden)
    found = watched_step(small_model(), list(expected))({"face": frames, "hidden": hidden})
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-5, err_msg=name)


def test_outputs_may_be_fed_back_where_more_than_an_image_goes_in() -> None:
    model = small_model()
    assert fed_back(model) == {"hidden_next", "velocity", "log_variance", "quality"}
    del model.graph.input[1:]
    assert fed_back(model) == frozenset()
