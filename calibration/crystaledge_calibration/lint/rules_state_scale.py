"""The rule that a quantized state has a scale from data.

A calibration that feeds zeros as the state leaves an all-zero range, for which ONNX Runtime falls back
to the scale 1.0. Every state below 0.5 then rounds to 0: one step from a fresh state looks right, and
after eight the error is a hundredfold (deploy.md 2.6, measured).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from crystaledge.tensors import StatePair
from crystaledge_calibration.lint.findings import Finding, Rule
from crystaledge_calibration.lint.quantizers import Kind, Quantizer
from crystaledge_calibration.lint.subject import CARRYING_OPS, MOVING_OPS, Subject, error, warning

_STEPS = 127
"""Of a symmetric int8 on one side."""
_FALLBACK_SCALE = 1.0
_LEAST_RANGE = 1e-6
_MOST_RANGE_OF_TANH = 16.0
_CURE = "Calibrate on sequences in closed loop, with the float model's own states."


def check_state_scales(subject: Subject) -> Iterator[Finding]:
    """The scale of each Q on a state comes from states that were seen."""
    for q, pair in state_quantizers(subject):
        scales = np.empty(0) if q.scale is None else q.scale.reshape(-1)
        for problem in _problems(scales)[:1]:
            message = f"Its scale for the state {pair.input!r} is {problem}."
            yield error(Rule.STATE_SCALE, q.node.label, message, cure=_CURE)
        with np.errstate(over="ignore"):
            span = float(scales.max(initial=0.0)) * _STEPS
        if not _problems(scales) and span > _MOST_RANGE_OF_TANH and _is_bounded(subject, pair):
            message = (
                f"It spans {span:g} for the state {pair.input!r}, which a Tanh keeps within 1; few steps are left."
            )
            yield warning(Rule.STATE_SCALE, q.node.label, message, cure=_CURE)


def state_quantizers(subject: Subject) -> tuple[tuple[Quantizer, StatePair], ...]:
    """Q nodes that read a state, or the next state, as it is or moved only."""
    found: dict[Quantizer, StatePair] = {}
    for pair in subject.graph.states:
        tensors = {name for end in (pair.input, pair.output) for name in subject.view.reach(end, through=MOVING_OPS)}
        for q in subject.quantizers:
            if q.kind is Kind.QUANTIZE and q.node.input(0) in tensors:
                found.setdefault(q, pair)
    return tuple(found.items())


def _problems(scales: NDArray[np.float64]) -> list[str]:
    """What is wrong with the scales of a state."""
    found = []
    for scale in scales:
        if not np.isfinite(scale) or scale <= 0:
            found.append(f"{scale:g}; scales are positive and finite")
        elif scale == _FALLBACK_SCALE:
            found.append("exactly 1, what ONNX Runtime falls back to when it saw nothing but zeros")
        elif scale * _STEPS < _LEAST_RANGE:
            found.append(f"{scale:g}, which spans {scale * _STEPS:g}: the state was constant in calibration")
    return found


def _is_bounded(subject: Subject, pair: StatePair) -> bool:
    """Whether the next state is a blend of the output of a Tanh."""
    makers = subject.view.ancestors(pair.output, through=CARRYING_OPS)
    return any(node.op_type == "Tanh" for node in makers)
