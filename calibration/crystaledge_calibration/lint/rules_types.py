"""Rules on float types: what one operator computes is of one type, and leaves the graph in float32.

ONNX demands it, and every reader refuses the rest, if it is strongly typed: TensorRT-RTX 1.7.1 says "must be of
same type", ONNX Runtime "bound to different types" [measured]. ONNX's schemas tell which inputs share a type.
Types are followed forward from the border, which is float32 by contract, and from the constants; where
nothing is known nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from onnx import TensorProto, defs

from crystaledge_calibration.lint.constants import type_name
from crystaledge_calibration.lint.findings import Finding, Rule
from crystaledge_calibration.lint.graph_view import Node
from crystaledge_calibration.lint.quantizers import Kind
from crystaledge_calibration.lint.rules_versions import schema
from crystaledge_calibration.lint.subject import Subject, error

Types = Mapping[str, int]
_FLOATS = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE})
_FIXED = {
    "tensor(float)": TensorProto.FLOAT,
    "tensor(float16)": TensorProto.FLOAT16,
    "tensor(bfloat16)": TensorProto.BFLOAT16,
    "tensor(double)": TensorProto.DOUBLE,
}


def check_mixed(subject: Subject) -> Iterator[Finding]:
    """Inputs of an operator that have to be of one type are."""
    types = _types(subject)
    for node in subject.view.nodes:
        first: dict[str, str] = {}
        for group, name in _grouped(subject, node):
            if types.get(name) not in _FLOATS:
                continue
            other = first.setdefault(group, name)
            if types[other] != types[name]:
                message = (
                    f"{node.op_type} reads {other!r} as {type_name(types[other])} and {name!r} as "
                    f"{type_name(types[name])}; it computes in one type."
                )
                yield error(Rule.MIXED_TYPES, node.label, message, cure="Put a Cast before the input that differs.")
                break


def check_outputs(subject: Subject) -> Iterator[Finding]:
    """Outputs are made in float32."""
    types = _types(subject)
    for name in subject.view.outputs:
        if types.get(name) in _FLOATS - {TensorProto.FLOAT}:
            message = f"This output is made as {type_name(types[name])}; the border of a step is float32."
            yield error(Rule.MIXED_TYPES, name, message, cure="Put a Cast before the output.")


def _types(subject: Subject) -> Types:
    """Float type of each tensor of which it is known."""
    view = subject.view
    types: dict[str, int] = {name: TensorProto.FLOAT for name in view.inputs}
    types |= {name: constant.element_type for name, constant in view.constants.items()}
    waiting = list(view.nodes)
    while waiting:  # a file need not be sorted
        left = [node for node in waiting if not _follow(subject, node, types)]
        if len(left) == len(waiting):
            break
        waiting = left
    return types


def _follow(subject: Subject, node: Node, types: dict[str, int]) -> bool:
    """Note the types of what a node makes; whether any is known."""
    made = {name: kind for name, kind in _made(subject, node, types) if name and name not in types and kind in _FLOATS}
    types |= made
    return bool(made)


def _made(subject: Subject, node: Node, types: Types) -> Iterator[tuple[str, int | None]]:
    if node.op_type == "Cast" and not node.domain:
        yield node.output, node.integer("to", 0)
        return
    if node.op_type == Kind.DEQUANTIZE.value:  # ONNX since opset 19, TensorRT always
        yield node.output, types.get(node.input(1))
        return
    known = _schema(subject, node)
    if known is None:
        return
    groups: dict[str, int] = {}
    for group, name in _grouped(subject, node):
        if name in types:
            groups.setdefault(group, types[name])
    for place, name in enumerate(node.outputs):
        parameter = _parameter(known.outputs, place)
        if parameter is not None:
            yield name, _FIXED.get(parameter.type_str, groups.get(parameter.type_str))


def _grouped(subject: Subject, node: Node) -> Iterator[tuple[str, str]]:
    """(type variable, tensor) of each input whose type is bound to one."""
    known = _schema(subject, node)
    for place, name in enumerate(node.inputs):
        parameter = None if known is None else _parameter(known.inputs, place)
        if name and parameter is not None and parameter.is_homogeneous and "(" not in parameter.type_str:
            yield parameter.type_str, name


def _parameter(parameters: Sequence[defs.OpSchema.FormalParameter], place: int) -> defs.OpSchema.FormalParameter | None:
    """What a schema says of an input or output; the last one may stand for many."""
    if place < len(parameters):
        return parameters[place]
    many = defs.OpSchema.FormalParameterOption.Variadic
    return parameters[-1] if parameters and parameters[-1].option == many else None


def _schema(subject: Subject, node: Node) -> defs.OpSchema | None:
    opset = subject.view.opset
    return None if opset is None or node.domain else schema(node, opset)
