"""Rules on the constants of Q and DQ: zero points, element types and scales.

Sources: NVIDIA, "Working with Quantized Types"; the QuantDequantLinearHelper of onnx-tensorrt 8.5 to 10.1.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from onnx import TensorProto

from crystaledge_calibration.lint.constants import type_name
from crystaledge_calibration.lint.findings import Finding, Rule
from crystaledge_calibration.lint.quantizers import Kind, Quantizer
from crystaledge_calibration.lint.rules_state_scale import state_quantizers
from crystaledge_calibration.lint.subject import Subject, error, warning

_SYMMETRIC = "Quantize symmetrically: activations and weights QInt8, ActivationSymmetric and WeightSymmetric true."


def check_zero_points(subject: Subject) -> Iterator[Finding]:
    """Zero points are 0: TensorRT knows symmetric quantization only."""
    for q in _told(subject):
        if q.zero_point is not None and np.any(q.zero_point.astype(np.float64) != 0):
            worst = q.zero_point.flat[int(np.argmax(np.abs(q.zero_point.astype(np.float64))))]
            message = f"Its zero point is {worst}; TensorRT refuses any but 0."
            yield error(Rule.ZERO_POINT, q.node.label, message, cure=_SYMMETRIC)


def check_zero_point_counts(subject: Subject) -> Iterator[Finding]:
    """There are as many zero points as scales."""
    for q in _told(subject):
        if q.zero_point is not None and q.scale is not None and q.zero_point.size != q.scale.size:
            message = f"It has {q.scale.size} scales and {q.zero_point.size} zero points; expected as many of both."
            yield error(Rule.ZERO_POINT, q.node.label, message, cure="Give one zero point to each scale.")


def check_zero_points_given(subject: Subject) -> Iterator[Finding]:
    """TensorRT 8 wants the third input written down."""
    for q in _told(subject):
        if subject.facts.wants_zero_point and not q.has_zero_point:
            message = "It has no zero point; TensorRT 8 demands one, though it is always 0."
            yield error(Rule.ZERO_POINT_MISSING, q.node.label, message, cure="Add a zero point of 0, int8.")


def check_element_types(subject: Subject) -> Iterator[Finding]:
    """Signed eight bits for TensorRT; eight bits for ONNX Runtime."""
    for q in _told(subject):
        if _is_bias(q) or q.element_type in (None, TensorProto.INT8):
            continue
        if q.element_type == TensorProto.UINT8:
            if subject.on_tensorrt:
                yield error(Rule.UNSIGNED, q.node.label, _unsigned(q), cure=_SYMMETRIC)
        elif subject.on_tensorrt:
            message = f"It quantizes to {type_name(q.element_type)}; int8 is what every TensorRT target runs."
            yield error(Rule.ELEMENT_TYPE, q.node.label, message, cure=_SYMMETRIC)
        else:
            message = f"It quantizes to {type_name(q.element_type)}, for which ONNX Runtime has no fast CPU kernels."
            yield warning(Rule.ELEMENT_TYPE, q.node.label, message, cure="Quantize to 8 bits.")


def check_scale_values(subject: Subject) -> Iterator[Finding]:
    """Scales are positive and finite; those of states have a rule of their own."""
    of_states = {q.node for q, _ in state_quantizers(subject)}
    for q in _told(subject):
        if q.scale is None or (q.node in of_states and q.scale.size):
            continue
        bad = q.scale[~(np.isfinite(q.scale) & (q.scale > 0))]
        if bad.size or not q.scale.size:
            found = f"a scale of {bad.flat[0]:g}" if bad.size else "no scale"
            message = f"It has {found}; scales are positive and finite."
            cure = "Calibrate again with data that move this tensor; a zero weight channel needs a scale too."
            yield error(Rule.SCALE_VALUE, q.node.label, message, cure=cure)


def check_scales_constant(subject: Subject) -> Iterator[Finding]:
    """TensorRT needs scales and zero points when it builds."""
    for q in _told(subject):
        computed = [name for name in (q.node.input(1), q.node.input(2)) if name and name not in subject.view.constants]
        if computed or not q.node.input(1):
            message = f"Its {computed[0]!r} is computed" if computed else "It has no scale"
            message = f"{message}; TensorRT needs the scale and zero point of Q/DQ as constants at build time."
            yield error(Rule.SCALE_NOT_CONSTANT, q.node.label, message, cure="Quantize statically, or fold constants.")


def _told(subject: Subject) -> Iterator[Quantizer]:
    return (q for q in subject.quantizers if not q.repeats)


def _is_bias(q: Quantizer) -> bool:
    return q.kind is Kind.DEQUANTIZE and q.of_constant and q.element_type == TensorProto.INT32


def _unsigned(q: Quantizer) -> str:
    if q.has_zero_point:
        return "It quantizes to uint8; TensorRT knows signed int8 only."
    return "It has no zero point, which by ONNX means uint8; TensorRT knows signed int8 only, and would read it so."
