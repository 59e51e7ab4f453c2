"""Rules on which operators a graph uses."""

from __future__ import annotations

from collections.abc import Iterator

from crystaledge_calibration.lint.findings import Finding, Rule
from crystaledge_calibration.lint.graph_view import Node
from crystaledge_calibration.lint.rules_versions import schema
from crystaledge_calibration.lint.subject import Subject, error, warning

_INTEGER_OPS = frozenset({"ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"})
MISSING_OPS = frozenset(
    {
        *("Bernoulli", "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "Multinomial", "Unique"),
        *("AffineGrid", "CenterCropPad", "Col2Im", "Compress", "Det", "ImageDecoder", "MaxRoiPool", "MaxUnpool"),
        *("DFT", "MelWeightMatrix", "NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss", "TfIdfVectorizer"),
        *("RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit"),
        *("Optional", "OptionalGetElement", "OptionalHasElement", "ConcatFromSequence", "SplitToSequence"),
        *(f"Sequence{kind}" for kind in ("At", "Construct", "Empty", "Erase", "Insert", "Length", "Map")),
        *("BitCast", "CumProd", "SwiGLU"),
    }
)
"""Standard operators that no version of TensorRT reads. The list of onnx-tensorrt (`docs/operators.md` of the branches
8.5-GA, 8.6-GA, 10.0-GA and 10.1-GA) says N to them or, for those that came later, has no line and no importer;
TensorRT-RTX 1.7.1 answers no to `OnnxParser.supports_operator` [measured]. Older versions lack a few more."""
_RECURRENT_OPS = frozenset({"GRU", "LSTM", "RNN"})
_ONNX_RUNTIME_DOMAINS = frozenset({"com.microsoft", "ai.onnx.ml"})


def check_forbidden(subject: Subject) -> Iterator[Finding]:
    """No operator-oriented quantization: onnx-tensorrt's operator list says no to all of it."""
    for node in _all_nodes(subject):
        if _is_forbidden(node):
            message = f"{node.op_type} is not read by TensorRT; INT8 has to be Q/DQ around float operators."
            yield error(Rule.FORBIDDEN_OP, node.label, message, cure="Quantize statically in the QDQ format.")


def check_missing(subject: Subject) -> Iterator[Finding]:
    """No operators that TensorRT has not: its parser names the node, and says "false" of the reason."""
    for node in _all_nodes(subject):
        if node.op_type in MISSING_OPS and not node.domain:
            message = f"{node.op_type} is a standard operator that TensorRT does not have."
            yield error(Rule.MISSING_OP, node.label, message, cure="Export it again from operators that it has.")


def check_domains(subject: Subject) -> Iterator[Finding]:
    """Standard operators only, or operators that ONNX Runtime brings on a CPU."""
    for node in _all_nodes(subject):
        if not node.domain or (subject.on_tensorrt and _is_forbidden(node)):
            continue
        message = f"{node.op_type} is of the domain {node.domain!r}"
        cure = "Use standard ONNX operators; leave out UseQDQContribOps and optimised model files."
        if not subject.on_tensorrt and node.domain in _ONNX_RUNTIME_DOMAINS:
            message = f"{message}; only ONNX Runtime knows it, and the graph is no longer portable."
            yield warning(Rule.FOREIGN_DOMAIN, node.label, message, cure=cure)
        else:
            message = f"{message}; a target refuses it, or takes it for the ONNX operator of that name."
            yield error(Rule.FOREIGN_DOMAIN, node.label, message, cure=cure)


def check_known(subject: Subject) -> Iterator[Finding]:
    """Every standard operator exists at the file's opset."""
    opset = subject.view.opset
    for node in _all_nodes(subject):
        if opset is not None and not node.domain and not _is_forbidden(node) and schema(node, opset) is None:
            message = f"ONNX has no operator {node.op_type!r} at opset {opset}."
            yield error(Rule.UNKNOWN_OP, node.label, message, cure="Export it again from operators that exist.")


def check_recurrent(subject: Subject) -> Iterator[Finding]:
    """GRU, LSTM and RNN run in floating point only, in TensorRT and in ONNX Runtime alike."""
    verdict = error if subject.is_int8 else warning
    for node in _all_nodes(subject):
        if node.op_type in _RECURRENT_OPS and not node.domain:
            message = f"{node.op_type} has no INT8 form in any target; its weights stay in float."
            cure = f"Export the cell instead (nn.{node.op_type}Cell): its two Gemms can be INT8."
            yield verdict(Rule.RECURRENT_OP, node.label, message, cure=cure)


def _all_nodes(subject: Subject) -> tuple[Node, ...]:
    return (*subject.view.nodes, *subject.view.inner_nodes)


def _is_forbidden(node: Node) -> bool:
    return node.op_type in _INTEGER_OPS or node.op_type.startswith("QLinear")
