"""Rules on what keeps INT8 fast and exact on TensorRT; none of them makes a graph illegal.

Source: NVIDIA, "Q/DQ Layer-Placement Recommendations" in "Working with Quantized Types"; for gates
ultralytics#24668.
"""

from __future__ import annotations

from collections.abc import Iterator

from crystaledge_calibration.lint.findings import Finding, Rule
from crystaledge_calibration.lint.graph_view import Node
from crystaledge_calibration.lint.quantizers import Kind
from crystaledge_calibration.lint.subject import WEIGHTED_OPS, Subject, warning

_GATES = frozenset({"Sigmoid", "Tanh", "Softmax", "LogSoftmax", "Log", "Exp"})
_FUSED_AFTER = frozenset({"Relu", "BatchNormalization", "Clip", "LeakyRelu", "PRelu"})
_CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})


def check_gates(subject: Subject) -> Iterator[Finding]:
    """Gates and heads read float: eight bits before them are lost where they are steep."""
    for node in subject.view.nodes:
        if node.op_type in _GATES and subject.is_dequantized(node.input(0)):
            message = f"{node.op_type} reads a dequantized tensor; gates and scores need the float value."
            yield warning(Rule.GATE, node.label, message, cure="Quantize Conv, Gemm and MatMul only.")


def check_fusion(subject: Subject) -> Iterator[Finding]:
    """No Q/DQ between a weighted operator and the activation or normalisation that TensorRT fuses it with."""
    for q in subject.quantizers:
        maker = subject.view.maker(q.node.input(0))
        if q.kind is Kind.QUANTIZE and maker is not None and maker.op_type in WEIGHTED_OPS:
            for after in _after_pair(subject, q.node):
                if after.op_type in _FUSED_AFTER:
                    parted = f"{maker.op_type} {maker.label!r} from {after.op_type} {after.label!r}"
                    message = f"It parts {parted}; they do not fuse."
                    yield warning(Rule.FUSION, q.node.label, message, cure="Quantize after the activation instead.")


def check_residuals(subject: Subject) -> Iterator[Finding]:
    """Conv+Add fuses to INT8 if the skip branch is quantized and Conv's own output is not."""
    view = subject.view
    for node in view.nodes:
        branches = [name for name in node.inputs if name not in view.constants]
        if node.op_type != "Add" or len(branches) != 2:
            continue
        direct = [name for name in branches if _is_quantized_conv(subject, view.maker(name))]
        parted = [name for name in branches if _is_parted_conv(subject, name)]
        quantized = [name for name in branches if subject.is_dequantized(name)]
        if direct and not quantized:
            message = "Its skip branch is float, so that the fused Conv+Add gives float and no INT8 goes on."
            yield warning(Rule.RESIDUAL_ADD, node.label, message, cure="Put Q/DQ on the skip branch, and there alone.")
        elif parted and len(quantized) == 2:
            message = "Q/DQ stand on both of its branches, so that Conv and Add do not fuse."
            yield warning(
                Rule.RESIDUAL_ADD, node.label, message, cure="Take out the Q/DQ after the main branch's Conv."
            )


def _after_pair(subject: Subject, quantize: Node) -> Iterator[Node]:
    """What reads the DQs of a Q."""
    for dequantize in subject.view.readers(quantize.output):
        if dequantize.op_type == Kind.DEQUANTIZE.value:
            yield from subject.view.readers(dequantize.output)


def _is_quantized_conv(subject: Subject, node: Node | None) -> bool:
    return node is not None and node.op_type in _CONVOLUTIONS and subject.is_dequantized(node.input(0))


def _is_parted_conv(subject: Subject, tensor: str) -> bool:
    """Whether a tensor is a quantized Conv's output behind a Q/DQ pair."""
    pair = {Kind.QUANTIZE.value, Kind.DEQUANTIZE.value}
    return subject.is_dequantized(tensor) and _is_quantized_conv(subject, subject.view.maker(tensor, through=pair))
