"""Rules on the file's opset and IR version, against what a target's reader knows.

Newer than documented is not the same as wrong. TensorRT's parsers (seen: 8.5, 8.6, 10.1) compare the
opset with nothing above 7 and read each node as they know it, so a node is fit if its definition at
the file's opset says the same as its definition at the parser's. ONNX's own schemas tell: no revision
in between, or one that only adds element types, or attributes left at their default, is harmless; a
new input, a new attribute that says something, or an operator that did not exist, is not. What the
schemas cannot tell stands in two small tables. ONNX Runtime compares, and rejects.
"""

from __future__ import annotations

from collections.abc import Iterator

from onnx import defs, helper

from crystaledge_calibration.lint.findings import THE_FILE, Finding, Rule
from crystaledge_calibration.lint.graph_view import GraphView, Node
from crystaledge_calibration.lint.quantizers import QUANTIZING_OPS
from crystaledge_calibration.lint.subject import Subject, error, warning

_CHANGED_MEANING = {"GroupNormalization": (21, "its scale and bias are per channel since opset 21, per group before")}
"""Operators that mean something else at the same inputs, since which opset, and how."""
_AXES_AS_INPUT = frozenset(
    f"Reduce{kind}" for kind in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare")
)
"""Since opset 18. The importers of TensorRT 8 look at the attribute only (onnx-tensorrt 8.5-GA and 8.6-GA,
`builtin_op_importers.cpp`; confirmed wrong results in NVIDIA/TensorRT#3467)."""

_MOST_VERSION = 2**31 - 1
"""Of ONNX's own look-up; a broken file can say more."""


def check_opset(subject: Subject) -> Iterator[Finding]:
    """The opset is one that the target reads, or every node means the same there."""
    opset, most = subject.view.opset, subject.facts.most_opset
    if opset is None:
        yield error(Rule.OPSET, THE_FILE, "It imports no opset of standard ONNX operators.", cure="Export it again.")
    elif opset <= most:
        return
    elif not subject.on_tensorrt:
        message = f"It is opset {opset}; {subject.facts.engine} rejects more than {most}."
        yield error(Rule.OPSET, THE_FILE, message, cure=f"Export with opset {most} or lower.")
    else:
        yield from _beyond_the_documented(subject, opset)


def check_ir_version(subject: Subject) -> Iterator[Finding]:
    """The IR version is one that the target reads; TensorRT's parsers only log it."""
    version, facts = subject.view.model.ir_version, subject.facts
    cure = f"Set ir_version to {facts.most_ir} or lower when the file is written."
    if version <= 0:
        yield error(Rule.IR_VERSION, THE_FILE, "It names no IR version.", cure=cure)
    elif version > facts.most_ir and subject.on_tensorrt:
        message = f"It is IR {version}; the parser was built with IR {facts.most_ir}, and logs this without refusing."
        yield warning(Rule.IR_VERSION, THE_FILE, message, cure=cure)
    elif version > facts.most_ir:
        yield error(
            Rule.IR_VERSION,
            THE_FILE,
            f"It is IR {version}; {facts.engine} rejects more than {facts.most_ir}.",
            cure=cure,
        )


def _beyond_the_documented(subject: Subject, opset: int) -> Iterator[Finding]:
    most = subject.facts.most_opset
    changed = [(node, found) for node in subject.view.nodes if (found := _difference(subject, node, opset))]
    for node, difference in changed:
        message = f"At opset {opset}, {difference}; the parser documents opset {most}."
        yield error(Rule.OPSET, node.label, message, cure=_cure(node, most))
    if not changed:
        message = f"It is opset {opset}; the parser documents {most}. Every node used means the same there."
        yield warning(Rule.OPSET, THE_FILE, message, cure=f"Export with opset {most} to be within the documentation.")


def _difference(subject: Subject, node: Node, opset: int) -> str | None:
    """What a parser that knows an older opset gets wrong about a node; None if nothing."""
    most = subject.facts.most_opset
    new, old = schema(node, opset), schema(node, most)
    if new is None or new.since_version <= most:
        return None
    if old is None:
        return f"{node.op_type} is an operator of opset {_first_version(node)} or later"
    meant = _CHANGED_MEANING.get(node.op_type)
    if meant is not None and most < meant[0] <= opset:
        return meant[1]
    if any(node.inputs[old.max_input :]):
        taken = f"{node.op_type} takes {_input_name(new, old.max_input)!r} as an input"
        ignored = node.op_type in _AXES_AS_INPUT
        return f"{taken}, which the parser ignores: it reduces every axis, the batch too" if ignored else taken
    for attribute in node.proto.attribute:
        if attribute.name not in old.attributes and not _says_nothing(subject.view, node, attribute.name, new):
            return f"{node.op_type} has the attribute {attribute.name!r}, which is new"
    return None


def _says_nothing(view: GraphView, node: Node, name: str, new: defs.OpSchema) -> bool:
    """Whether ignoring an attribute gives the same result."""
    if node.op_type == "Split" and name == "num_outputs":
        # Older parsers split evenly by the number of outputs.
        length = _length(view, node.input(0), node.integer("axis", 0))
        return length is not None and length % max(1, len(node.outputs)) == 0
    found, known = node.attribute(name), new.attributes.get(name)
    if found is None or known is None or not known.default_value.name:
        return False
    try:
        return bool(helper.get_attribute_value(found) == helper.get_attribute_value(known.default_value))
    except ValueError:  # it refers to an attribute of a function
        return False


def _length(view: GraphView, tensor: str, axis: int) -> int | None:
    """Length of an axis where a weight tells it: the last one of what a Gemm or MatMul gives."""
    maker = view.maker(tensor, through=QUANTIZING_OPS | {"Relu", "Sigmoid", "Tanh", "Identity", "Cast"})
    if maker is None or (maker.op_type, axis) not in (("Gemm", 1), ("Gemm", -1), ("MatMul", -1)):
        return None
    weight = view.constants.get(view.origin(maker.input(1), through=QUANTIZING_OPS | {"Identity", "Cast"}))
    if weight is None or weight.value is None or weight.value.ndim != 2:
        return None
    return int(weight.value.shape[0 if maker.integer("transB", 0) else 1])


def schema(node: Node, opset: int) -> defs.OpSchema | None:
    """Definition of a standard operator at an opset; None where there is none."""
    try:
        return defs.get_schema(node.op_type, max(0, min(opset, _MOST_VERSION)), node.domain)
    except defs.SchemaError:
        return None


def _first_version(node: Node) -> int:
    history = (s.since_version for s in defs.get_all_schemas_with_history() if s.name == node.op_type and not s.domain)
    return min(history, default=0)


def _input_name(new: defs.OpSchema, index: int) -> str:
    return new.inputs[index].name if index < len(new.inputs) else f"input {index + 1}"


def _cure(node: Node, most: int) -> str:
    if node.op_type in _AXES_AS_INPUT:
        return f"Pool with GlobalAveragePool or GlobalMaxPool, or export with opset {most}."
    if node.op_type == "Split":
        return "Give the lengths as the input 'split', or split evenly."
    return f"Export with opset {most}, or build {node.op_type} from older operators."
