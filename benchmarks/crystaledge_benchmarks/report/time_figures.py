"""Figures over time: how far a quantized graph is from its float32 original at each checked step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crystaledge_benchmarks.figures import (
    BLUE,
    GREEN,
    GREY,
    LINES,
    MARKERS,
    NARROW_IN,
    RED,
    log_ticks,
    new_axes,
    plain_log_axis,
    power_label,
)
from crystaledge_calibration.records import VerificationRecord

_SIZE_IN = (NARROW_IN, 3.5)
_MARGIN = 1.4
"""Factor that leaves room for markers beyond the outermost ticks."""
_SMALLEST_ERROR = 1e-9
_SMALLEST_ANGLE = 1e-6
"""1 - cosine below this is drawn here: float32 does not hold less."""


def error_over_time(record: VerificationRecord, float_error: float | None) -> Figure:
    """Absolute error of each output, largest and mean, log-log.

    Args:
        float_error: largest error of the float32 graph against its training framework, if known.
    """
    figure, axes = new_axes("Error of each output over time", "closed-loop step", "absolute error", size_in=_SIZE_IN)
    values = [float_error] if float_error else []
    for trace, colour, marker in zip(record.tensors, _cycled(LINES), _cycled(MARKERS), strict=False):
        largest, mean = _floored(trace.max_abs), _floored(trace.mean_abs)
        axes.loglog(record.checked_steps, largest, color=colour, marker=marker, label=trace.tensor)
        axes.loglog(record.checked_steps, mean, color=colour, linestyle="--", linewidth=1.0)
        values += [*largest, *mean]
    if float_error:
        axes.axhline(float_error, color=GREY, linestyle=":", label="float32 graph against its framework")
    _steps(axes, record.checked_steps)
    _error_ticks(axes, values)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def state_error_over_time(record: VerificationRecord) -> Figure:
    """Relative error of the state, log-log, with the growth that the gate allows."""
    figure, axes = new_axes(
        "Error of the state over time", "closed-loop step", "|INT8 - float32| / |float32|", size_in=_SIZE_IN
    )
    errors = _floored(record.state.relative_error)
    axes.loglog(record.checked_steps, errors, color=BLUE, marker="o", label="mean over sequences")
    early = max((i for i, step in enumerate(record.checked_steps) if step <= 16), default=0)
    bound = errors[early] * record.limits.growth
    axes.loglog(
        record.checked_steps[early:],
        [bound] * len(record.checked_steps[early:]),
        color=RED,
        linestyle="--",
        label=f"limit at the horizon: {record.limits.growth:g} times that of step {record.checked_steps[early]}",
    )
    _steps(axes, record.checked_steps)
    _error_ticks(axes, [*errors, bound])
    figure.legend(loc="outside lower center", ncols=1)
    return figure


def cosine_over_time(record: VerificationRecord) -> Figure:
    """Cosine of the state: mean, first percentile and smallest, with the limits; log scale of 1 - cosine."""
    figure, axes = new_axes("Cosine of the state over time", "closed-loop step", "cosine (log scale)", size_in=_SIZE_IN)
    state, limits = record.state, record.limits
    curves = (
        ("mean", state.cosine_mean, BLUE, "o", limits.cosine_mean),
        ("1st percentile", state.cosine_p01, RED, "s", limits.cosine_p01),
        ("smallest", state.cosine_min, GREEN, "D", None),
    )
    angles = list[float]()
    for name, cosines, colour, marker, limit in curves:
        drawn = np.maximum(1.0 - np.asarray(cosines), _SMALLEST_ANGLE)
        axes.loglog(record.checked_steps, drawn, color=colour, marker=marker, label=name)
        angles += drawn.tolist()
        if limit is not None:
            axes.axhline(1.0 - limit, color=colour, linestyle="--", linewidth=1.0, label=f"limit of the {name}")
            angles.append(1.0 - limit)
    _steps(axes, record.checked_steps)
    ticks = log_ticks(min(min(angles), max(angles) / 100.0), max(angles))  # powers of ten: 0.9, 0.99, 0.999
    plain_log_axis(axes.yaxis, ticks, label=lambda angle: f"{1.0 - angle:g}")
    axes.set_ylim(ticks[-1] * _MARGIN, ticks[0] / _MARGIN)  # better is up
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def _steps(axes: Axes, steps: Sequence[int]) -> None:
    shown = [step for step in steps if step & (step - 1) == 0] or list(steps)
    if steps[-1] not in shown:
        # The horizon is labelled in the place of a power of two that stands too close to it.
        shown = [*(step for step in shown if step * 1.6 < steps[-1]), steps[-1]]
    plain_log_axis(axes.xaxis, shown, label="{:g}".format)


def _error_ticks(axes: Axes, values: Sequence[float]) -> None:
    ticks = log_ticks(min(values), max(values))
    plain_log_axis(axes.yaxis, ticks, label=power_label)
    axes.set_ylim(ticks[0] / _MARGIN, ticks[-1] * _MARGIN)


def _floored(values: Sequence[float]) -> list[float]:
    return [max(value, _SMALLEST_ERROR) for value in values]


def _cycled(items: Sequence[str]) -> list[str]:
    return [*items] * 16
