"""What the parser does not take is told with the name of its ONNX node, in every generation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from crystaledge.engine.trt.precision import BuiltPrecision
from tests.export.trt.builders import (
    GENERATIONS,
    quantized_input,
    refused,
    tiny,
)
from tests.support.fake_tensorrt import Generation
from tests.support.step_graphs import tiny_step_bytes


def asymmetric() -> onnx.ModelProto:
    return quantized_input(tiny(), np.array(-3, np.int8))


def int32_bias() -> onnx.ModelProto:
    model = tiny()
    values = {
        "bias_q": np.ones(6, np.int32),
        "bias_scale": np.full(6, 0.1, np.float32),
        "bias_zero": np.zeros(6, np.int32),
    }
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
    model.graph.node.insert(4, helper.make_node("DequantizeLinear", list(values), ["bias_d"], "bias_DQ", axis=0))
    next(node for node in model.graph.node if node.op_type == "Add").input[1] = "bias_d"
    return model


def with_operator(operator: str, domain: str = "") -> Callable[[], onnx.ModelProto]:
    def make() -> onnx.ModelProto:
        model = tiny()
        node = next(node for node in model.graph.node if node.op_type == "Tanh")
        node.op_type, node.domain = operator, domain
        return model

    return make


REFUSED = [
    pytest.param(asymmetric, "node 'face_Q' (QuantizeLinear)", "Non-zero zero point is not supported", id="asymmetric"),
    pytest.param(int32_bias, "node 'bias_DQ' (DequantizeLinear)", "has type Int32", id="int32 bias"),
    pytest.param(with_operator("Det"), "node 'tanh_5' (Det)", "the operator is not supported", id="unsupported"),
    pytest.param(
        with_operator("QLinearConv"), "node 'tanh_5' (QLinearConv)", "is not supported", id="operator-oriented"
    ),
    pytest.param(with_operator("NoSuch"), "node 'tanh_5' (NoSuch)", "Plugin not found", id="unknown"),
    pytest.param(
        with_operator("FusedTanh", "com.microsoft"), "node 'tanh_5' (FusedTanh)", "Plugin not found", id="foreign"
    ),
]


@GENERATIONS
@pytest.mark.parametrize(("make", "node", "reason"), REFUSED)
def test_a_parser_error_names_its_onnx_node(
    generation: Generation, make: Callable[[], onnx.ModelProto], node: str, reason: str
) -> None:
    message = refused(make(), generation)
    assert message.startswith(f"TensorRT {generation.value} does not take the ONNX file of 'step': ")
    assert f"{node}: " in message and reason in message
    assert "false" not in message


@GENERATIONS
def test_a_node_without_a_name_is_told_by_what_it_makes(generation: Generation) -> None:
    model = with_operator("Det")()
    for node in model.graph.node:
        node.name = ""
    assert "node 'hidden_next' (Det): " in refused(model, generation)


@GENERATIONS
def test_every_operator_that_is_not_supported_is_told_at_once(generation: Generation) -> None:
    model = tiny()
    for node in model.graph.node:
        node.op_type = "Det" if node.op_type == "Sigmoid" else node.op_type
    message = refused(model, generation)
    assert message.count("(Det): the operator is not supported") == 2
    assert "'sigmoid_7'" in message and "'sigmoid_10'" in message


@GENERATIONS
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(tiny_step_bytes()[:-100], "Failed to parse the ONNX model", id="truncated"),
        pytest.param(b"not an onnx file", "Failed to parse the ONNX model", id="text"),
        pytest.param(b"", "it has no layers", id="empty"),
    ],
)
def test_a_file_that_is_no_graph_is_refused(generation: Generation, data: bytes, reason: str) -> None:
    message = refused(data, generation)
    assert reason in message
    assert "node" not in message


@GENERATIONS
def test_an_unsigned_zero_point_is_refused_although_the_parser_takes_it(generation: Generation) -> None:
    model = quantized_input(tiny(), np.array(0, np.uint8))
    assert "Defaulting to INT8 instead" in refused(model, generation, precision=BuiltPrecision.INT8)
