"""A small step with proper Q/DQ in which no rule finds anything, and the tools to spoil it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from crystaledge.manifest.model import GraphSpec, Precision, Target
from crystaledge_calibration.choices import LintTarget
from crystaledge_calibration.lint.findings import Finding
from crystaledge_calibration.lint.lint import lint_graph
from tests.support.manifests import tiny_graph_spec
from tests.support.step_graphs import HIDDEN, SIDE

Change = Callable[[onnx.ModelProto], None]

OPSET = 17
IR_VERSION = 8
"""What the oldest target documents, so that the clean graph is clean everywhere."""
CHANNELS = 4
TENSORRT_TARGETS = tuple(target for target in LintTarget if target is not LintTarget.CPU)
_WEIGHT_AXES = {"w_stem": 0, "w_block": 0, "w_input": 0, "w_recurrent": 1, "w_quality": 1, "w_velocity": 1}
_ACTIVATIONS = ("face", "stem_relu", "pooled", "hidden", "hidden_next")


def int8_spec(target: Target = Target.TENSORRT) -> GraphSpec:
    """What a manifest says of the clean graph."""
    declared = replace(float_spec(), name="step-int8", precision=Precision.INT8, target=target)
    return replace(declared, derived_from="step")


def float_spec() -> GraphSpec:
    """What a manifest says of the clean graph without its Q/DQ."""
    return replace(tiny_graph_spec(), opset=OPSET, ir_version=IR_VERSION)


def clean_model() -> onnx.ModelProto:
    """A Conv block with a residual, pooling, and a recurrent blend; INT8 in Conv, Gemm and MatMul.

    A pair of tensor `x` is `x_Q` and `x_DQ`, with the constants `x_scale` and `x_zero`, and gives `x_d`.
    """
    nodes = [node for piece in _pieces() for node in piece]
    return _model(nodes, OPSET)


def float_model(*, opset: int = OPSET) -> onnx.ModelProto:
    """The clean graph without Q/DQ; from opset 18 on its ReduceMean takes the axes as an input."""
    nodes = [node for piece in _pieces() for node in piece if not node.op_type.endswith("tizeLinear")]
    for node in nodes:
        for index, name in enumerate(node.input):
            if name.endswith("_d"):
                node.input[index] = name.removesuffix("_d")
        if node.op_type == "ReduceMean" and opset >= 18:
            del node.attribute[:]
            node.input.append("axes")
            node.attribute.append(helper.make_attribute("keepdims", 0))
    model = _model(nodes, opset)
    if opset >= 18:
        set_constant(model, "axes", np.array([2, 3], np.int64))
    return model


def spoiled(*changes: Change) -> onnx.ModelProto:
    """The clean graph with something wrong in it."""
    model = clean_model()
    for change in changes:
        change(model)
    return model


def lint(
    model: onnx.ModelProto, target: LintTarget = LintTarget.JETPACK_6_2, *, spec: GraphSpec | None = None
) -> tuple[Finding, ...]:
    """Findings of a model, by default as the INT8 graph that it is made to be."""
    return lint_graph(model.SerializeToString(), spec or int8_spec(), target)


def float_findings(model: onnx.ModelProto, target: LintTarget) -> tuple[Finding, ...]:
    """Findings of a float model, which the manifest describes truly."""
    versions = replace(float_spec(), opset=model.opset_import[0].version, ir_version=model.ir_version)
    return lint(model, target, spec=versions)


def find(model: onnx.ModelProto, name: str) -> NodeProto:
    """The node of that name."""
    node: NodeProto = next(node for node in model.graph.node if node.name == name)
    return node


def set_constant(model: onnx.ModelProto, name: str, value: NDArray[Any]) -> None:
    """Add or replace an initializer."""
    kept = [tensor for tensor in model.graph.initializer if tensor.name != name]
    del model.graph.initializer[:]
    model.graph.initializer.extend([*kept, numpy_helper.from_array(np.asarray(value), name)])


def set_axis(model: onnx.ModelProto, tensor: str, axis: int | None) -> None:
    """Set or remove the axis of both halves of a pair."""
    for half in ("Q", "DQ"):
        node = find(model, f"{tensor}_{half}")
        del node.attribute[:]
        if axis is not None:
            node.attribute.append(helper.make_attribute("axis", axis))


def insert(model: onnx.ModelProto, before: str, nodes: Sequence[NodeProto]) -> None:
    """Put nodes before the node of that name."""
    kept = list(model.graph.node)
    place = next(index for index, node in enumerate(kept) if node.name == before)
    del model.graph.node[:]
    model.graph.node.extend([*kept[:place], *nodes, *kept[place:]])


def insert_pair(model: onnx.ModelProto, tensor: str, reader: str) -> None:
    """Put Q and DQ between a tensor and one node that reads it."""
    insert(model, reader, pair(tensor))
    _add_pair_constants(model, tensor, None)
    node = find(model, reader)
    for index, name in enumerate(node.input):
        if name == tensor:
            node.input[index] = f"{tensor}_d"


def pair(tensor: str, *, axis: int | None = None) -> list[NodeProto]:
    """Q and DQ of a tensor."""
    constants = [f"{tensor}_scale", f"{tensor}_zero"]
    halves = [
        helper.make_node("QuantizeLinear", [tensor, *constants], [f"{tensor}_q"], f"{tensor}_Q"),
        helper.make_node("DequantizeLinear", [f"{tensor}_q", *constants], [f"{tensor}_d"], f"{tensor}_DQ"),
    ]
    if axis is not None:
        for half in halves:
            half.attribute.append(helper.make_attribute("axis", axis))
    return halves


def weights() -> dict[str, NDArray[np.float32]]:
    """Weights and biases of the clean graph, always the same."""
    random = np.random.default_rng(5)
    shapes = {
        "w_stem": (CHANNELS, 3, 3, 3),
        "w_block": (CHANNELS, CHANNELS, 3, 3),
        "w_input": (HIDDEN, CHANNELS),
        "w_recurrent": (HIDDEN, HIDDEN),
        "w_quality": (CHANNELS, 1),
        "w_velocity": (HIDDEN, 1),
        "w_log_variance": (HIDDEN, 1),
        "b_stem": (CHANNELS,),
        "b_block": (CHANNELS,),
    }
    return {name: random.normal(0.0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}


def _pieces() -> list[list[NodeProto]]:
    make = helper.make_node
    weight_pairs = [pair(name, axis=axis) for name, axis in _WEIGHT_AXES.items()]
    square = [1, 1, 1, 1]
    return [
        *weight_pairs,
        [*pair("face"), make("Conv", ["face_d", "w_stem_d", "b_stem"], ["stem"], "conv_stem", pads=square)],
        [make("Relu", ["stem"], ["stem_relu"], "relu_stem"), *pair("stem_relu")],
        [make("Conv", ["stem_relu_d", "w_block_d", "b_block"], ["block"], "conv_block", pads=square)],
        [make("Add", ["block", "stem_relu_d"], ["summed"], "residual")],
        [make("Relu", ["summed"], ["features"], "relu_block")],
        [make("ReduceMean", ["features"], ["pooled"], "pool", axes=[2, 3], keepdims=0), *pair("pooled")],
        [make("Gemm", ["pooled_d", "w_input_d"], ["from_face"], "gemm_input", transB=1)],
        [*pair("hidden"), make("MatMul", ["hidden_d", "w_recurrent_d"], ["from_hidden"], "matmul_recurrent")],
        [make("Add", ["from_face", "from_hidden"], ["moved"], "add_moved")],
        [make("Tanh", ["moved"], ["candidate"], "tanh")],
        [make("MatMul", ["pooled_d", "w_quality_d"], ["raw_quality"], "matmul_quality")],
        [make("Sigmoid", ["raw_quality"], ["quality"], "sigmoid_quality")],
        [make("Sub", ["candidate", "hidden"], ["change"], "sub_change")],
        [make("Mul", ["quality", "change"], ["taken"], "mul_taken")],
        [make("Add", ["hidden", "taken"], ["hidden_next"], "add_next"), *pair("hidden_next")],
        [make("MatMul", ["hidden_next_d", "w_velocity_d"], ["raw_velocity"], "matmul_velocity")],
        [make("Sigmoid", ["raw_velocity"], ["velocity"], "sigmoid_velocity")],
        [make("MatMul", ["hidden_next", "w_log_variance"], ["log_variance"], "matmul_log_variance")],
    ]


def _model(nodes: Sequence[NodeProto], opset: int) -> onnx.ModelProto:
    def value(name: str, *row_shape: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *row_shape])

    inputs = [value("face", 3, SIDE, SIDE), value("hidden", HIDDEN)]
    outputs = [value("hidden_next", HIDDEN), *(value(name, 1) for name in ("velocity", "log_variance", "quality"))]
    graph = helper.make_graph(list(nodes), "step", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION)
    for name, weight in weights().items():
        set_constant(model, name, weight)
    if any(node.op_type == "QuantizeLinear" for node in nodes):
        for name in (*_WEIGHT_AXES, *_ACTIVATIONS):
            _add_pair_constants(model, name, _WEIGHT_AXES.get(name))
    return model


def _add_pair_constants(model: onnx.ModelProto, tensor: str, axis: int | None) -> None:
    if axis is None:
        scale = np.array(1 / 127, np.float32)
    else:
        weight = weights()[tensor]
        others = tuple(index for index in range(weight.ndim) if index != axis)
        scale = np.asarray(np.abs(weight).max(axis=others) / 127, np.float32)
    set_constant(model, f"{tensor}_scale", scale)
    set_constant(model, f"{tensor}_zero", np.zeros(scale.shape, np.int8))
