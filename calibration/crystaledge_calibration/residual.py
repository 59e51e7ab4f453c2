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
    """One Add of two convolutions' outputs."""

    add: str
    main: str
    """Node whose kernel takes the sum in."""
    skip: str
    """Node whose output is the skip branch."""
    skip_tensor: str


def residual_sums(model: ModelProto) -> tuple[ResidualSum, ...]:
    """The residual sums in the order in which they run; the second operand is the skip branch."""
    makers = {node.output: node for node in weighted_nodes(model) if node.op == "Conv"}
    return tuple(
        ResidualSum(node.name, makers[node.input[0]].name, makers[node.input[1]].name, node.input[1])
        for node in model.graph.node
        if node.op_type == "Add" and all(name in makers for name in node.input)
    )


def quantized_sums(model: ModelProto, nodes: Collection[str]) -> tuple[ResidualSum, ...]:
    """Those whose both convolutions are int8."""
    return tuple(s for s in residual_sums(model) if s.main in nodes and s.skip in nodes)


def with_skip_qdq(model: ModelProto, sums: Collection[ResidualSum], amax: Mapping[str, float]) -> None:
    """Put symmetric int8 Q/DQ between skip branches and their sums, in place.

    Args:
        amax: range of each skip tensor, so that scale = amax / 127.
    """
    written: set[str] = set()
    for one in sums:
        back = f"{one.skip_tensor}_DequantizeLinear_Output"
        place = next(i for i, node in enumerate(model.graph.node) if node.name == one.add)
        model.graph.node[place].input[1] = back
        if one.skip_tensor in written:
            continue
        written.add(one.skip_tensor)
        scale, zero = f"{one.skip_tensor}_scale", f"{one.skip_tensor}_zero_point"
        model.graph.initializer.append(
            numpy_helper.from_array(np.array(amax[one.skip_tensor] / 127.0, np.float32), scale)
        )
        model.graph.initializer.append(numpy_helper.from_array(np.array(0, np.int8), zero))
        eight = f"{one.skip_tensor}_QuantizeLinear_Output"
        for kind, source, target in (("DequantizeLinear", eight, back), ("QuantizeLinear", one.skip_tensor, eight)):
            node = helper.make_node(kind, [source, scale, zero], [target], name=f"{one.skip_tensor}_{kind}")
            model.graph.node.insert(place, node)
