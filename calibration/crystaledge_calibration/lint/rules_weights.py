"""Rules on quantized weights and biases, and on what may have one scale per channel."""

from __future__ import annotations

from collections.abc import Iterator

from onnx import TensorProto

from crystaledge_calibration.lint.findings import Finding, Rule
from crystaledge_calibration.lint.graph_view import Node
from crystaledge_calibration.lint.quantizers import QUANTIZING_OPS, Kind, Quantizer
from crystaledge_calibration.lint.subject import WEIGHTED_OPS, Subject, error, warning


def check_int32_bias(subject: Subject) -> Iterator[Finding]:
    """TensorRT dequantizes int8 only; a bias stays float."""
    for q in subject.quantizers:
        if q.kind is Kind.DEQUANTIZE and q.of_constant and q.element_type == TensorProto.INT32:
            message = "It dequantizes an int32 constant, a bias; TensorRT's parser refuses that."
            yield error(Rule.INT32_BIAS, q.node.label, message, cure="Keep biases in float32: QuantizeBias false.")


def check_int8_constants(subject: Subject) -> Iterator[Finding]:
    """TensorRT 8 documents weights as float32 through Q and DQ."""
    for q in subject.quantizers:
        stored = subject.view.constants.get(q.node.input(0))
        is_weight = q.kind is Kind.DEQUANTIZE and stored is not None and stored.element_type == TensorProto.INT8
        if subject.facts.float_weights and is_weight:
            message = "It dequantizes weights stored as int8; TensorRT 8 documents float32 weights through Q and DQ."
            yield warning(Rule.INT8_CONSTANT, q.node.label, message, cure="Quantize with AddQDQPairToWeight true.")


def check_weight_axes(subject: Subject) -> Iterator[Finding]:
    """Weights have a scale per output channel, or one: per-channel scales lie on the right axis, and are as many."""
    by_node = {q.node: q for q in subject.quantizers}
    for node in subject.view.nodes:
        if node.op_type in WEIGHTED_OPS:
            for index, axis in _weight_inputs(node):
                for q in _weight_quantizers(subject, by_node, node.input(index)):
                    yield from _axis_findings(subject, q, node, axis)


def check_activations_per_tensor(subject: Subject) -> Iterator[Finding]:
    """Activations have one scale."""
    verdict = error if subject.on_tensorrt else warning
    for q in subject.quantizers:
        if q.scale is not None and q.per_channel and not (q.of_constant or q.repeats):
            message = f"It has {q.scale.size} scales for an activation; activations have one scale per tensor."
            yield verdict(Rule.ACTIVATION_PER_CHANNEL, q.node.label, message, cure="Use one scale for the tensor.")


def _weight_inputs(node: Node) -> Iterator[tuple[int, int]]:
    """Inputs that may be weights, and the axis of their output channels."""
    if node.op_type == "Conv":
        yield 1, 0
    elif node.op_type == "ConvTranspose":
        yield 1, 1
    elif node.op_type == "Gemm":
        yield 1, 0 if node.integer("transB", 0) else 1
    else:
        yield 0, -2
        yield 1, -1


def _weight_quantizers(subject: Subject, by_node: dict[Node, Quantizer], tensor: str) -> Iterator[Quantizer]:
    """The DQ at a weight, and the Q before it where the weight is stored in float."""
    while (node := subject.view.maker(tensor, through={"Identity"})) is not None and node.op_type in QUANTIZING_OPS:
        if node not in by_node or not by_node[node].of_constant:
            return
        yield by_node[node]
        if by_node[node].kind is Kind.QUANTIZE:
            return
        tensor = node.input(0)


def _axis_findings(subject: Subject, q: Quantizer, node: Node, expected: int) -> Iterator[Finding]:
    shape = _shape(subject, q)
    if q.scale is None or not q.per_channel or shape is None or q.repeats:
        return
    at = f"{node.op_type} {node.label!r}"
    if q.scale.ndim != 1:
        message = f"Its scales have the shape {list(q.scale.shape)}; expected a row, one scale per output channel."
    elif not _same_axis(q.axis, expected, len(shape)):
        message = f"Its scales are on axis {q.axis}; the output channels of {at} are on {expected % len(shape)}."
    elif subject.on_tensorrt and q.node.attribute("axis") is None:
        message = f"It states no axis: ONNX reads {q.axis}, TensorRT's parser reads 0."
    elif shape[expected] != q.scale.size:
        message = f"It has {q.scale.size} scales for the {shape[expected]} output channels of {at}."
    else:
        return
    cure = "Write the axis of the output channels, and one scale for each of them."
    yield error(Rule.WEIGHT_AXIS, q.node.label, message, cure=cure)


def _same_axis(axis: int, expected: int, rank: int) -> bool:
    both_exist = -rank <= axis < rank and -rank <= expected < rank
    return both_exist and axis % rank == expected % rank


def _shape(subject: Subject, q: Quantizer) -> tuple[int, ...] | None:
    """Shape of the weight; None for a scalar, or where something between it and the quantizer changes that."""
    source = subject.view.constants.get(subject.view.origin(q.node.input(0), through=QUANTIZING_OPS | {"Identity"}))
    return None if source is None or source.value is None else source.value.shape or None
