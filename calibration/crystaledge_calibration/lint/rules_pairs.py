"""Rules on Q and DQ as pairs, and on whether a graph is as quantized as the manifest declares."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from crystaledge_calibration.lint.findings import THE_FILE, Finding, Rule
from crystaledge_calibration.lint.quantizers import Kind, Quantizer
from crystaledge_calibration.lint.subject import WEIGHTED_OPS, Subject, error, warning

_IN_PAIRS = "Put Q and DQ in pairs, Q directly before DQ."


def check_declared(subject: Subject) -> Iterator[Finding]:
    """Exactly the graphs that are declared int8 have Q/DQ."""
    found = len(subject.quantizers)
    if subject.is_int8 and not found:
        message = "The manifest declares int8, and the file has no Q/DQ."
        yield error(Rule.NOT_QUANTIZED, THE_FILE, message, cure="Put the quantized file into the bundle.")
    elif found and not subject.is_int8:
        message = f"The manifest declares float32, and the file has {found} Q/DQ nodes."
        yield error(Rule.FLOAT_QUANTIZED, THE_FILE, message, cure="Put the float file into the bundle.")


def check_paired(subject: Subject) -> Iterator[Finding]:
    """A Q is read by DQs only; a DQ of an activation reads a Q."""
    view = subject.view
    for q in subject.quantizers:
        if q.kind is Kind.QUANTIZE:
            others = [n for n in view.readers(q.node.output) if n.op_type != Kind.DEQUANTIZE.value]
            if others:
                message = f"{others[0].op_type} {others[0].label!r} reads eight bits from it without DequantizeLinear."
                yield error(Rule.UNPAIRED, q.node.label, message, cure=_IN_PAIRS)
            elif not view.readers(q.node.output):
                yield error(Rule.UNPAIRED, q.node.label, "No DequantizeLinear reads it.", cure=_IN_PAIRS)
        elif not q.of_constant and not _comes_from_quantize(subject, q):
            message = "It dequantizes an activation that no QuantizeLinear made."
            yield error(Rule.UNPAIRED, q.node.label, message, cure=_IN_PAIRS)


def check_pairs_agree(subject: Subject) -> Iterator[Finding]:
    """Q and DQ of an activation share scale, zero point, type and axis; else the pair changes the values."""
    makers = {q.node.output: q for q in subject.quantizers if q.kind is Kind.QUANTIZE}
    for dq in subject.quantizers:
        q = makers.get(dq.node.input(0)) if dq.node.input(0) else None
        # A weight that is integer already may pass Q with scale 1 (TensorRT 8's way to bring own weights).
        if dq.kind is Kind.DEQUANTIZE and q is not None and not dq.of_constant:
            differing = ", ".join(_differences(q, dq))
            if differing:
                message = f"It differs from its QuantizeLinear {q.node.label!r} in {differing}."
                yield error(Rule.PAIR_DIFFERS, dq.node.label, message, cure="Give both halves the same constants.")


def check_both_sides(subject: Subject) -> Iterator[Finding]:
    """A weighted operator is INT8 if data and weight are dequantized; with one of both it runs in float."""
    for node in subject.view.nodes:
        sides = [subject.is_dequantized(name) for name in node.inputs[:2]]
        if node.op_type in WEIGHTED_OPS and any(sides) and not all(sides):
            missing = "weight" if sides[0] else "data"
            message = f"Its {missing} has no Q/DQ, so that {node.op_type} runs in float."
            cure = "Quantize both its data and its weight, or neither."
            yield warning(Rule.HALF_QUANTIZED, node.label, message, cure=cure)


def _comes_from_quantize(subject: Subject, q: Quantizer) -> bool:
    maker = subject.view.maker(q.node.input(0))
    return maker is not None and maker.op_type == Kind.QUANTIZE.value


def _differences(q: Quantizer, dq: Quantizer) -> Iterator[str]:
    if q.scale is not None and dq.scale is not None and not np.array_equal(q.scale, dq.scale, equal_nan=True):
        yield "scale"
    if _zero(q) != _zero(dq):
        yield "zero point"
    if None not in (q.element_type, dq.element_type) and q.element_type != dq.element_type:
        yield "type"
    if q.per_channel and dq.per_channel and q.axis != dq.axis:
        yield "axis"


def _zero(q: Quantizer) -> tuple[float, ...]:
    """Zero points without trailing form: a missing one is 0."""
    values = [] if q.zero_point is None else [float(v) for v in q.zero_point.flat]
    return tuple(values) if any(values) else ()
