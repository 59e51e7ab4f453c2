"""What must never ship: each guard refuses one way in which an export goes wrong silently."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine
from crystaledge.manifest.model import GraphSpec, ParitySummary
from crystaledge_calibration.drift import Drift, drift, worst_of
from crystaledge_calibration.rollout import roll_out, roll_out_engine
from crystaledge_export.description import StepDescription
from crystaledge_export.errors import GuardError

ROLLOUT_STEPS = 16
TOLERANCE = 5e-5
"""Of a tensor's largest magnitude, or of 1 where that is smaller."""
_STANDARD_DOMAINS = ("", "ai.onnx")

Array = NDArray[np.float32]


def guard_example_batch(batch: int) -> None:
    """Refuse to trace with batch 1: the exporter then fixes the batch without a word."""
    if batch < 2:
        msg = f"The example batch is {batch}; torch.export makes a batch of 1 static, so use at least 2."
        raise GuardError(msg)


def guard_no_hidden_state(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
    """Refuse a module whose forward changes its own buffers or answers differently when called again.

    Such a state would be exported as a constant. Inference mode is asserted on the way.
    """
    if module.training:
        msg = "The module is in training mode; call eval() before export, or batch norm would use batch statistics."
        raise GuardError(msg)
    held = {**dict(module.named_parameters()), **dict(module.named_buffers())}  # state_dict leaves some buffers out
    before = {name: tensor.detach().clone() for name, tensor in held.items()}
    with torch.no_grad():
        first = [t.clone() for t in module(*arguments)]
        second = list(module(*arguments))
    for name, tensor in held.items():
        if not torch.equal(tensor, before[name]):
            msg = (
                f"Forward changed the buffer {name!r}; a step is pure: take the state as an input, return the next one."
            )
            raise GuardError(msg)
    for index, (a, b) in enumerate(zip(first, second, strict=True)):
        if not torch.equal(a, b):
            msg = f"Output {index} differs when the same step is run twice; a step is pure and deterministic."
            raise GuardError(msg)


def guard_border(model: onnx.ModelProto, description: StepDescription) -> None:
    """Refuse wrong names or types, outputs whose batch is fixed, foreign operators, and unused states."""
    sides = (("input", model.graph.input, description.inputs), ("output", model.graph.output, description.outputs))
    for side, values, specs in sides:
        names = [value.name for value in values]
        if names != [spec.name for spec in specs]:
            msg = f"The graph's {side}s are {names}; expected {[spec.name for spec in specs]}."
            raise GuardError(msg)
        for value, spec in zip(values, specs, strict=True):
            _guard_tensor(side, value, spec.row_shape)
    foreign = sorted({node.domain for node in model.graph.node} - set(_STANDARD_DOMAINS))
    if foreign:
        msg = f"The graph uses operators of the domain {foreign[0]!r}; only standard ONNX operators may ship."
        raise GuardError(msg)
    used = {name for node in model.graph.node for name in node.input}
    for pair in description.states:
        if pair.input not in used:
            msg = f"No node reads the state {pair.input!r}; the recurrence was lost on export."
            raise GuardError(msg)


def _guard_tensor(side: str, value: onnx.ValueInfoProto, row_shape: tuple[int, ...]) -> None:
    tensor = value.type.tensor_type
    shape = [d.dim_param or d.dim_value for d in tensor.shape.dim]
    if tensor.elem_type != onnx.TensorProto.FLOAT:
        kind = onnx.TensorProto.DataType.Name(tensor.elem_type)
        msg = f"The {side} {value.name!r} is {kind}; the border of a step is float32."
        raise GuardError(msg)
    if not shape or not isinstance(shape[0], str):
        msg = f"The {side} {value.name!r} has shape {shape}; its batch must be symbolic, or only one size works."
        raise GuardError(msg)
    if tuple(shape[1:]) != row_shape:
        msg = f"The {side} {value.name!r} has shape {shape}; expected ['batch', {', '.join(map(str, row_shape))}]."
        raise GuardError(msg)


def in_own_units(reference: Mapping[str, Array], drifts: tuple[Drift, ...]) -> tuple[Drift, ...]:
    """Drift of each tensor over the largest magnitude that it has in the reference, where that is above 1.

    float32 has seven digits: features in the tens differ in the fifth place after the point without any fault.
    """
    largest = {name: max(1.0, float(np.abs(tensor).max(initial=0.0))) for name, tensor in reference.items()}
    return tuple(Drift(d.tensor, d.max_abs / largest[d.tensor], d.mean_abs / largest[d.tensor]) for d in drifts)


def guard_parity(engine: OnnxRuntimeEngine, description: StepDescription) -> ParitySummary:
    """Refuse a graph that differs from torch in a closed-loop rollout at batch 1, 2 or the largest."""
    batches = tuple(sorted({1, 2, description.batch.max}))
    largest = 0.0
    steps = ROLLOUT_STEPS if description.states else 1  # without a state every step is a first one
    for batch in batches:
        observations = description.example(steps, batch)
        reference = torch_rollout(description, engine.graph, observations)
        worst = worst_of(in_own_units(reference, drift(reference, roll_out_engine(engine, observations))))
        if not worst.worst <= TOLERANCE:
            step = int(np.argmax(worst.max_abs > TOLERANCE)) + 1
            msg = (
                f"At batch {batch} the tensor {worst.tensor!r} differs from torch by {worst.worst:.2e}, first beyond "
                f"{TOLERANCE:g} at step {step} of {steps}."
            )
            raise GuardError(msg)
        largest = max(largest, worst.worst)
    return ParitySummary(
        graph=description.name,
        reference="torch, eager, float32",
        steps=steps,
        batches=batches,
        max_abs_error=largest,
        tolerance=TOLERANCE,
    )


def torch_rollout(
    description: StepDescription, graph: GraphSpec, observations: Mapping[str, Array]
) -> dict[str, Array]:
    """Closed-loop rollout of the module itself; see `crystaledge_calibration.rollout.roll_out`."""

    def step(feeds: Mapping[str, Array]) -> Mapping[str, Array]:
        with torch.no_grad():
            outputs = description.module(*(torch.from_numpy(feeds[s.name]) for s in description.inputs))
        return {s.name: t.numpy().copy() for s, t in zip(description.outputs, outputs, strict=True)}

    return roll_out(graph, step, observations)
