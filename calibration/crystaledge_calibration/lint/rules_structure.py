"""Rules on the file as a whole: does it hang together, and is its border what the manifest says?"""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from crystaledge.tensors import TensorSpec
from crystaledge_calibration.lint.constants import type_name
from crystaledge_calibration.lint.findings import THE_FILE, Finding, Rule
from crystaledge_calibration.lint.graph_view import GraphView, Node
from crystaledge_calibration.lint.quantizers import QUANTIZING_OPS
from crystaledge_calibration.lint.subject import Subject, error, warning

_EXPORT_AGAIN = "Export the graph again; a tool has left it broken."
_BORDER_CURE = "Export again, so that the manifest and the file are written together."


def check_wiring(subject: Subject) -> Iterator[Finding]:
    """Every tensor is made once, before it is read."""
    view = subject.view
    made = {*view.inputs, *view.constants}
    for node in view.nodes:
        for name in dict.fromkeys(filter(None, node.inputs)):
            if name not in made:
                yield _read_too_early(view, node, name)
        for name in filter(None, node.outputs):
            if name in made and node.op_type != "Constant":
                yield error(Rule.WIRING, node.label, f"It makes {name!r}, which exists already.", cure=_EXPORT_AGAIN)
            made.add(name)
    for name in view.outputs:
        if name not in made:
            yield error(Rule.WIRING, name, "Nothing makes this output of the graph.", cure=_EXPORT_AGAIN)


def _read_too_early(view: GraphView, node: Node, name: str) -> Finding:
    if view.maker(name) is None:
        return error(Rule.WIRING, node.label, f"It reads {name!r}, which nothing makes.", cure=_EXPORT_AGAIN)
    if node in view.ancestors(name):
        return error(Rule.WIRING, node.label, f"It reads {name!r}, which is made from its output.", cure=_EXPORT_AGAIN)
    # ONNX wants nodes in order, and its checker refuses this; the parsers of both families sort by themselves.
    message = f"It reads {name!r}, which is made by a later node; ONNX wants makers before readers."
    return warning(Rule.WIRING, node.label, message, cure="Sort the nodes topologically before the file is written.")


def check_constants(subject: Subject) -> Iterator[Finding]:
    """Every constant is whole and inside the file."""
    for constant in subject.view.constants.values():
        if constant.value is None:
            message = (
                f"The constant of type {type_name(constant.element_type)} cannot be read: "
                "its bytes do not fit its shape, or it is sparse, text or in another file."
            )
            yield error(Rule.UNREADABLE_TENSOR, constant.name, message, cure="Store it dense and inside the file.")


def check_subgraphs(subject: Subject) -> Iterator[Finding]:
    """Branches and bodies are not looked into, so Q/DQ there would pass unseen."""
    hidden = any(node.op_type in QUANTIZING_OPS for node in subject.view.inner_nodes)
    verdict = error if hidden else warning
    what = "with Q/DQ inside, which are not judged" if hidden else "whose nodes are judged by their names alone"
    for node in subject.view.nodes:
        if node.has_subgraph:
            message = f"{node.op_type} holds a graph of its own, {what}."
            yield verdict(Rule.SUBGRAPH, node.label, message, cure="Export the step flat, without If, Loop or Scan.")


def check_border(subject: Subject) -> Iterator[Finding]:
    """Names, types and shapes of inputs and outputs are those of the manifest, batch symbolic."""
    graph, model = subject.graph, subject.view.model.graph
    constants = subject.view.constants
    for side, values, specs in (
        ("input", [v for v in model.input if v.name not in constants], graph.inputs),
        ("output", list(model.output), graph.outputs),
    ):
        names, expected = [v.name for v in values], [spec.name for spec in specs]
        if names != expected:
            message = f"Its {side}s are {', '.join(names) or 'none'}; the manifest says {', '.join(expected)}."
            yield error(Rule.BORDER, THE_FILE, message, cure=_BORDER_CURE)
            continue
        for value, spec in zip(values, specs, strict=True):
            yield from _tensor(side, value, spec)
    yield from _versions(subject)


def _tensor(side: str, value: onnx.ValueInfoProto, spec: TensorSpec) -> Iterator[Finding]:
    tensor = value.type.tensor_type
    shape = [d.dim_param or d.dim_value for d in tensor.shape.dim]
    if tensor.elem_type != onnx.TensorProto.FLOAT:
        message = f"This {side} is {type_name(tensor.elem_type)}; the border of a step is float32."
        yield error(Rule.BORDER, spec.name, message, cure="Keep Casts and Q/DQ inside the graph.")
    if not shape or not isinstance(shape[0], str):
        message = f"This {side} has the shape {shape}; its batch must be symbolic, or one size alone works."
        yield error(Rule.BORDER, spec.name, message, cure="Export with a symbolic batch and an example of two rows.")
    elif tuple(shape[1:]) != spec.row_shape:
        message = f"This {side} has the shape {shape}; the manifest says {list(spec.shape)}."
        yield error(Rule.BORDER, spec.name, message, cure=_BORDER_CURE)


def _versions(subject: Subject) -> Iterator[Finding]:
    graph, view = subject.graph, subject.view
    written = (view.opset, view.model.ir_version)
    if view.opset is not None and written != (graph.opset, graph.ir_version):
        message = (
            f"The file is opset {written[0]}, IR {written[1]}; "
            f"the manifest says opset {graph.opset}, IR {graph.ir_version}."
        )
        yield error(Rule.BORDER, THE_FILE, message, cure=_BORDER_CURE)
