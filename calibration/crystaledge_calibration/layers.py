"""Which layer is at fault: both graphs are given the same inputs and states, and every inner tensor is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto

from crystaledge.manifest.model import GraphSpec
from crystaledge_calibration.equalize import scalable_tensors
from crystaledge_calibration.observe import watched_step
from crystaledge_calibration.records import NodeError
from crystaledge_calibration.step_model import weights_of

Array = NDArray[np.float32]
Float64 = NDArray[np.float64]
SAME = 0.04
"""Relative error of its own up to which a layer still does what the float one does; sound int8 layers stay at 0.025."""
_MOST_SCALED = 64.0
_BROKEN = 1e6


@dataclass(frozen=True, slots=True)
class Culprit:
    """The layer at fault."""

    node: str
    tensor: str
    error: float


def layer_errors(
    reference: ModelProto, deployed: ModelProto, feeds: Mapping[str, Array]
) -> tuple[tuple[NodeError, ...], Culprit | None]:
    """Relative error of every tensor that both graphs have by name, in the order in which they are made.

    Where equalisation may have moved scales from layer to layer, errors are up to a positive scale per channel.

    Args:
        feeds: inputs of one step, states included: those of the float rollout.

    Returns:
        The errors, and the first of the layers that are not the float graph's own whose output is further
        off than what it reads by more than `SAME`. A layer that both graphs share can amplify an error,
        but is not at fault.
    """
    shared = _shared_tensors(reference, deployed)
    left, right = watched_step(reference, shared)(feeds), watched_step(deployed, shared)(feeds)
    scalable = scalable_tensors(reference)
    errors = {name: _relative(left[name], right[name], scaled=name in scalable) for name in shared}
    rows, culprits = [], list[Culprit]()
    changed = _changed_nodes(reference, deployed)
    for node in reference.graph.node:
        for name in node.output:
            if name in errors:
                rows.append(NodeError(node=node.name, tensor=name, error=errors[name]))
                own = errors[name] - _inherited(node, errors)
                if node.name in changed and own > SAME:
                    culprits.append(Culprit(node.name, name, errors[name]))
    return tuple(rows), culprits[0] if culprits else None


def state_limits(graph: GraphSpec, deployed: ModelProto) -> dict[str, float]:
    """Largest |x| that eight bits can hold, of each state input that passes through a QuantizeLinear."""
    weights = weights_of(deployed)
    limits = {}
    for node in deployed.graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] in {pair.input for pair in graph.states}:
            scale = float(weights[node.input[1]].astype(np.float64))
            zero = int(weights[node.input[2]]) if len(node.input) > 2 else 0
            low, high = _span(deployed, node)
            limits[node.input[0]] = scale * (min(high - zero, zero - low) + 0.5)
    return limits


def _span(model: ModelProto, node: NodeProto) -> tuple[int, int]:
    kinds = {i.name: i.data_type for i in model.graph.initializer}
    signed = len(node.input) > 2 and kinds.get(node.input[2]) == TensorProto.INT8
    return (-128, 127) if signed else (0, 255)


def _shared_tensors(reference: ModelProto, deployed: ModelProto) -> Sequence[str]:
    there = {name for node in deployed.graph.node for name in node.output} - _integers(reference)
    return [name for node in reference.graph.node for name in node.output if name in there]


def _integers(model: ModelProto) -> set[str]:
    """Tensors that hold sizes and places, of which no layer is made."""
    known = onnx.shape_inference.infer_shapes(model).graph.value_info
    return {v.name for v in known if v.type.tensor_type.elem_type not in (TensorProto.UNDEFINED, TensorProto.FLOAT)}


def _changed_nodes(reference: ModelProto, deployed: ModelProto) -> set[str]:
    """Nodes that compute something else than in the reference: other operator, operands, or constants."""
    mine, theirs = ({n.name: n for n in m.graph.node} for m in (reference, deployed))
    left, right = ({i.name: i.SerializeToString() for i in m.graph.initializer} for m in (reference, deployed))

    def same(node: NodeProto) -> bool:
        other = theirs.get(node.name)
        return (
            other is not None
            and (other.op_type, list(other.input)) == (node.op_type, list(node.input))
            and all(left.get(name) == right.get(name) for name in node.input)
        )

    return {name for name, node in mine.items() if not same(node)}


def _inherited(node: NodeProto, errors: Mapping[str, float]) -> float:
    return max((errors[name] for name in node.input if name in errors), default=0.0)


def _relative(reference: Array, other: Array, *, scaled: bool) -> float:
    if reference.shape != other.shape or not np.isfinite(other).all():
        return _BROKEN
    a, b = (_by_channel(x.astype(np.float64)) for x in (reference, other))
    if scaled:
        b = b * _best_scale(a, b)[:, None]
    difference, norm = np.linalg.norm(b - a), np.linalg.norm(a)
    return float(min(difference / np.maximum(norm, 1e-12), _BROKEN))


def _by_channel(values: Float64) -> Float64:
    """`(N, C, ...)` to `(C, -1)`; what has no channels is one."""
    if values.ndim < 2:
        return values.reshape(1, -1)
    return np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)


def _best_scale(reference: Float64, other: Float64) -> Float64:
    """By row what brings `other` nearest to `reference`; 1 where that is no scale that equalisation would use."""
    energy = np.sum(other * other, axis=1)
    scale = np.divide(np.sum(reference * other, axis=1), energy, out=np.ones_like(energy), where=energy > 0)
    usual: Float64 = np.where((scale > 1.0 / _MOST_SCALED) & (scale < _MOST_SCALED), scale, 1.0)
    return usual
