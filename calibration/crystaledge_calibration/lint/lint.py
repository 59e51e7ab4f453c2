"""Judging a graph for a target."""

from __future__ import annotations

from typing import Any

import onnx
from google.protobuf.message import DecodeError

from crystaledge.manifest.model import GraphSpec
from crystaledge_calibration.choices import LintTarget
from crystaledge_calibration.errors import UnreadableGraphError
from crystaledge_calibration.lint.findings import Finding, Severity
from crystaledge_calibration.lint.graph_view import GraphView
from crystaledge_calibration.lint.quantizers import quantizers_of
from crystaledge_calibration.lint.rules import RULES
from crystaledge_calibration.lint.subject import Subject
from crystaledge_calibration.lint.targets import facts_of


def lint_graph(model_bytes: bytes, graph: GraphSpec, target: LintTarget) -> tuple[Finding, ...]:
    """What is wrong with a graph on a target, errors first; the graph is legal if none of it is an error.

    Args:
        model_bytes: the ONNX file.
        graph: what the manifest says of it: border, states, precision.

    Raises:
        UnreadableGraphError: the bytes are no ONNX graph.
    """
    return lint_view(view_of(model_bytes, where=graph.file), graph, target)


def lint_view(view: GraphView, graph: GraphSpec, target: LintTarget) -> tuple[Finding, ...]:
    """`lint_graph` of a file that was read before."""
    facts = facts_of(target)
    subject = Subject(view=view, quantizers=quantizers_of(view), graph=graph, facts=facts)
    found = [f for rule in RULES if facts.family in rule.families for f in rule.check(subject)]
    order = tuple(Severity)
    return tuple(sorted(dict.fromkeys(found), key=lambda finding: order.index(finding.severity)))


def view_of(model_bytes: bytes, *, where: str) -> GraphView:
    """Read an ONNX file.

    Args:
        where: its name, for the message.

    Raises:
        UnreadableGraphError: the bytes are no ONNX graph.
    """
    try:
        model = onnx.load_model_from_string(model_bytes)
        if model.HasField("graph") and _is_text(model):
            return GraphView.of(model)
        what = "its names are no text" if model.HasField("graph") else "it holds no graph"
    except (DecodeError, UnicodeDecodeError) as error:
        what = str(error).partition("\n")[0]
    msg = f"{where} is not a readable ONNX file ({what}); export or copy it again."
    raise UnreadableGraphError(msg)


def _is_text(message: Any) -> bool:
    """Whether every string of a protobuf message is UTF-8; protobuf hands out those that are not as bytes."""
    for field, value in message.ListFields():
        items = (value,) if isinstance(value, (str, bytes)) or hasattr(value, "ListFields") else value
        if field.type == field.TYPE_MESSAGE and not all(map(_is_text, items)):
            return False
        if field.type == field.TYPE_STRING and not all(isinstance(item, str) for item in items):
            return False
    return True
