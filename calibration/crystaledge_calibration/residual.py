"""Residual sums of two convolutions: where they are, and Q/DQ on the skip branch, so that Conv+Add fuses in int8.

TensorRT computes one convolution of the pair and adds the other branch in its epilogue; that branch
must be int8 for the sum to stay in the int8 kernel (TensorRT, "Working with quantized types").
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, helper, numpy_helper

from crystaledge_calibration.step_model import weighted_nodes


@dataclass(frozen=True, slots=True)
class ResidualSum:
    """One Add of two convolutions' outputs, or of one and the block's input."""

    add: str
    main: str
    """Node whose kernel takes the sum in."""
    skip: str
    """Node whose output is the skip branch; the main one again where the block's input itself is."""
    skip_tensor: str


def residual_sums(model: ModelProto) -> tuple[ResidualSum, ...]:
    """The residual sums in the order in which they run; the second operand is the skip branch."""
    makers = {node.output: node for node in weighted_nodes(model) if node.op == "Conv"}
    return tuple(
        ResidualSum(node.name, makers[node.input[0]].name, makers[node.input[1]].name, node.input[1])
        for node in model.graph.node
        if node.op_type == "Add" and all(name in makers for name in node.input)
    )


def identity_sums(model: ModelProto) -> tuple[ResidualSum, ...]:
    """Sums of a convolution's output and a rectified tensor, which is what the block itself reads.

    Only where a weighted node reads the tensor too: its range is known then, and its eight bits are there already.
    """
    weighted = weighted_nodes(model)
    makers = {node.output: node.name for node in weighted if node.op == "Conv"}
    rectified = {node.output[0] for node in model.graph.node if node.op_type == "Relu"}
    skips = rectified & {node.data for node in weighted}
    return tuple(
        ResidualSum(node.name, makers[node.input[0]], makers[node.input[0]], node.input[1])
        for node in model.graph.node
        if node.op_type == "Add" and node.input[0] in makers and node.input[1] in skips
    )


def quantized_sums(model: ModelProto, nodes: Collection[str]) -> tuple[ResidualSum, ...]:
    """Those of both kinds whose convolutions are int8."""
    sums = (*residual_sums(model), *identity_sums(model))
    return tuple(s for s in sums if s.main in nodes and s.skip in nodes)


def with_skip_qdq(model: ModelProto, sums: Collection[ResidualSum], amax: Mapping[str, float]) -> None:
    """Put symmetric int8 Q/DQ between skip branches and their sums, in place; a pair that is there already serves.

    Args:
        amax: range of each skip tensor, so that scale = amax / 127.
    """
    for one in sums:
        known = _pair_output(model, one.skip_tensor)
        back = known or f"{one.skip_tensor}_DequantizeLinear_Output"
        place = next(i for i, node in enumerate(model.graph.node) if node.name == one.add)
        model.graph.node[place].input[1] = back
        if known is not None:
            continue
        scale, zero = f"{one.skip_tensor}_scale", f"{one.skip_tensor}_zero_point"
        model.graph.initializer.append(
            numpy_helper.from_array(np.array(amax[one.skip_tensor] / 127.0, np.float32), scale)
        )
        model.graph.initializer.append(numpy_helper.from_array(np.array(0, np.int8), zero))
        eight = f"{one.skip_tensor}_QuantizeLinear_Output"
        for kind, source, target in (("DequantizeLinear", eight, back), ("QuantizeLinear", one.skip_tensor, eight)):
            node = helper.make_node(kind, [source, scale, zero], [target], name=f"{one.skip_tensor}_{kind}")
            model.graph.node.insert(place, node)


def _pair_output(model: ModelProto, tensor: str) -> str | None:
    """What the Q/DQ pair of a tensor gives; None where it has none."""
    eight = {
        node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear" and node.input[0] == tensor
    }
    dequantized = (n for n in model.graph.node if n.op_type == "DequantizeLinear" and n.input[0] in eight)
    return next((node.output[0] for node in dequantized), None)
