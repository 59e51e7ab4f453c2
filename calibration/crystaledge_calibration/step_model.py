"""An ONNX step graph as calibration sees it: its weighted nodes, their tensors, weights and cost."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

Array = NDArray[np.float32]
WEIGHTED_OPS = frozenset({"Conv", "Gemm", "MatMul"})
LEAST_SHARE = 1e-4
"""Of all multiply-accumulates: below it eight bits save neither time nor bytes."""


@dataclass(frozen=True, slots=True)
class WeightedNode:
    """A Conv, Gemm or MatMul with a constant weight: what INT8 is for."""

    name: str
    op: str
    data: str
    """The tensor that it multiplies with its weight."""
    weight: str
    bias: str | None
    output: str
    channel_axis: int
    """Of the weight: where its output channels are."""
    input_axis: int
    """Of the weight: where its input channels are; the same as `channel_axis` for a depthwise Conv."""
    depthwise: bool
    grouped: bool
    """A Conv in groups of several channels: its weight has fewer input channels than its input."""
    macs: int
    """Multiply-accumulates of one row."""
    weights: int
    """Number of weights."""


def weighted_nodes(model: ModelProto) -> tuple[WeightedNode, ...]:
    """The weighted nodes in the order in which they run."""
    weights = {i.name: tuple(i.dims) for i in model.graph.initializer}
    sizes = _places(model)
    return tuple(
        _described(node, weights[node.input[1]], weights, sizes)
        for node in model.graph.node
        if node.op_type in WEIGHTED_OPS and len(node.input) > 1 and node.input[1] in weights
    )


def quantizable_nodes(model: ModelProto) -> tuple[WeightedNode, ...]:
    """The weighted nodes that may become int8: all but those that read what may be fed back, and the tiny ones.

    Q/DQ on what is fed back would put eight bits between one step's state and the next.
    """
    kept, tiny = fed_back(model), tiny_nodes(model)
    return tuple(node for node in weighted_nodes(model) if node.data not in kept and node.name not in tiny)


def tiny_nodes(model: ModelProto) -> frozenset[str]:
    """Names of the weighted nodes with less than `LEAST_SHARE` of all multiply-accumulates.

    Eight bits save no time there, and their Q/DQ takes more bytes than the 3 a weight that they save. And such products
    are what heads and rules of a recurrence are made of: the wide Mnemosyne weighs evidence by 62 numbers that read the
    logarithm of the state's length. It grows for as long as somebody is looked at, past any range that a shorter
    calibration has seen; cut off there, the state's length was off by 6 % at step 1,000, and growing.
    """
    nodes = weighted_nodes(model)
    least = LEAST_SHARE * sum(node.macs for node in nodes)
    return frozenset(node.name for node in nodes if node.macs < least)


def fed_back(model: ModelProto) -> frozenset[str]:
    """Outputs that may come back as a state at the next step: none where an image is all that goes in."""
    return frozenset(value.name for value in model.graph.output) if len(model.graph.input) > 1 else frozenset()


def weights_of(model: ModelProto) -> dict[str, NDArray[np.generic]]:
    """All initializers by name."""
    return {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}


def with_weights(model: ModelProto, changed: Mapping[str, Array]) -> ModelProto:
    """A copy with some initializers replaced by others of the same shape."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for initializer in copy.graph.initializer:
        if initializer.name in changed:
            value = np.ascontiguousarray(changed[initializer.name], np.float32)
            initializer.CopyFrom(numpy_helper.from_array(value, initializer.name))
    return copy


def with_outputs(model: ModelProto, tensors: Collection[str]) -> ModelProto:
    """A copy in which inner tensors are outputs too; names that are outputs or inputs already are left as they are."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {v.name for v in (*copy.graph.output, *copy.graph.input)}
    inner = onnx.shape_inference.infer_shapes(model).graph.value_info
    kinds = {v.name: v.type.tensor_type.elem_type for v in inner}  # sizes and places are integers
    for name in tensors:
        if name not in known:
            kind = kinds.get(name) or onnx.TensorProto.FLOAT
            copy.graph.output.append(helper.make_tensor_value_info(name, kind, None))
    return copy


def _described(
    node: NodeProto,
    shape: tuple[int, ...],
    weights: Mapping[str, tuple[int, ...]],
    sizes: Mapping[str, int],
) -> WeightedNode:
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    transposed = bool(attributes.get("transB", 0))
    groups = int(attributes.get("group", 1))
    depthwise = node.op_type == "Conv" and groups == shape[0] > 1 and shape[1] == 1
    if node.op_type == "Conv":
        channel, inner = 0, 0 if depthwise else 1
    else:
        channel, inner = (0, 1) if transposed else (1, 0)
    bias = node.input[2] if len(node.input) > 2 and node.input[2] in weights else None
    return WeightedNode(
        name=node.name,
        op=node.op_type,
        data=node.input[0],
        weight=node.input[1],
        bias=bias,
        output=node.output[0],
        channel_axis=channel,
        input_axis=inner,
        depthwise=depthwise,
        grouped=groups > 1 and not depthwise,
        macs=prod(shape) * sizes.get(node.output[0], 1),
        weights=prod(shape),
    )


def _places(model: ModelProto) -> dict[str, int]:
    """Places of one row that a weight is applied at, by output tensor of a Conv, Gemm or MatMul.

    A linear layer may see the cells of a map as rows, so that shapes are followed from a batch of 1.
    """
    single = onnx.ModelProto()
    single.CopyFrom(model)
    for value in single.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 1
    inferred = onnx.shape_inference.infer_shapes(single, data_prop=True).graph
    known = (*inferred.value_info, *inferred.output)  # a head's product may be an output itself
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in known}
    outputs = {node.output[0]: node.op_type for node in model.graph.node if node.op_type in WEIGHTED_OPS}
    found = {}
    for name, op in outputs.items():
        shape = shapes.get(name, [])
        applied = shape[2:] if op == "Conv" else shape[:-1]
        if shape and 0 not in applied:
            found[name] = prod(applied)
    return found
