"""Which layer is at fault: both graphs are given the same inputs and states, and every inner tensor is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto

from crystaledge.manifest.model import GraphSpec
from crystaledge_calibration.observe import watched_step
from crystaledge_calibration.records import NodeError
from crystaledge_calibration.step_model import weights_of

Array = NDArray[np.float32]
SAME = 0.1
"""Relative error up to which a layer still does what the float one does; sound int8 layers stay below 0.05."""
_MOST_SCALED = 64.0
_BROKEN = 1e6


@dataclass(frozen=True, slots=True)
class Culprit:
    """The layer that adds most error of its own."""

    node: str
    tensor: str
    error: float


def layer_errors(
    reference: ModelProto, deployed: ModelProto, feeds: Mapping[str, Array]
) -> tuple[tuple[NodeError, ...], Culprit | None]:
    """Relative error of every tensor that both graphs have by name, in the order in which they are made.

    Errors are up to a positive scale per channel: equalisation moves such scales from layer to layer.

    Args:
        feeds: inputs of one step, states included: those of the float rollout.

    Returns:
        The errors, and the layer whose output is further off than anything it reads, if one is by
        more than `SAME`.
    """
    shared = _shared_tensors(reference, deployed)
    left, right = watched_step(reference, shared)(feeds), watched_step(deployed, shared)(feeds)
    errors = {name: _relative(left[name], right[name]) for name in shared}
    rows, own = [], []
    for node in reference.graph.node:
        for name in node.output:
            if name in errors:
                rows.append(NodeError(node=node.name, tensor=name, error=errors[name]))
                own.append(errors[name] - _inherited(node, errors))
    worst = int(np.argmax(own)) if own else 0
    if not own or own[worst] <= SAME:
        return tuple(rows), None
    return tuple(rows), Culprit(rows[worst].node, rows[worst].tensor, rows[worst].error)


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
    there = {name for node in deployed.graph.node for name in node.output}
    return [name for node in reference.graph.node for name in node.output if name in there]


def _inherited(node: NodeProto, errors: Mapping[str, float]) -> float:
    return max((errors[name] for name in node.input if name in errors), default=0.0)


def _relative(reference: Array, other: Array) -> float:
    if reference.shape != other.shape or not np.isfinite(other).all():
        return _BROKEN
    a, b = (np.moveaxis(x.astype(np.float64), 1, 0).reshape(x.shape[1], -1) for x in (reference, other))
    energy = np.sum(a * a, axis=1)
    scale = np.divide(np.sum(a * b, axis=1), energy, out=np.ones_like(energy), where=energy > 0)
    scale = np.where((scale > 1.0 / _MOST_SCALED) & (scale < _MOST_SCALED), scale, 1.0)
    difference, norm = np.linalg.norm(b / scale[:, None] - a), np.linalg.norm(a)
    return float(min(difference / np.maximum(norm, 1e-12), _BROKEN))
