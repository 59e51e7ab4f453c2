"""Figures of what a deployment gets: decisions float against INT8, and latency against error."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from crystaledge_benchmarks.bench_record import BenchRecord, Caller, precision_label
from crystaledge_benchmarks.figures import (
    BLUE,
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
from crystaledge_calibration.records import DecisionParity, Numbers

_RATES = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6)
_LOWEST_RATE, _HIGHEST_RATE = 5e-5, 0.65
_SMALLEST_ERROR = 1e-9
_DEVIATE = NormalDist().inv_cdf


def det_curves(decisions: DecisionParity) -> Figure:
    """False rejects over false accepts on normal-deviate axes, float32 and INT8 (Martin et al. 1997)."""
    figure, axes = new_axes(
        f"DET curve at step {decisions.auc_step}",
        "false-accept rate",
        "false-reject rate",
        size_in=(NARROW_IN, 3.9),
    )
    curves = (
        ("float32", decisions.det_float, decisions.eer_float, BLUE, "-", 9),
        ("INT8", decisions.det_deployed, decisions.eer_deployed, RED, "--", 6),  # the smaller circle lies in the larger
    )
    seen: tuple[list[float], list[float]] = ([], [])
    for name, (accepts, rejects), rate, colour, style, size in curves:
        x, y = _deviates(accepts, rejects)
        axes.plot(x, y, color=colour, linestyle=style, label=f"{name}, EER {100 * rate:.2f} %")
        place = _DEVIATE(_inside(rate))
        axes.plot([place], [place], marker="o", markersize=size, color=colour, markerfacecolor="white", zorder=3)
        for values, more in zip(seen, (x, y), strict=True):
            values += [*more, place]
    axes.set(xlim=_rate_axis(axes.xaxis, seen[0]), ylim=_rate_axis(axes.yaxis, seen[1]))
    axes.axline((0.0, 0.0), slope=1.0, color=GREY, linewidth=0.8, linestyle=":")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def latency_against_error(record: BenchRecord) -> Figure:
    """Each graph by its single-track step: median latency with a whisker to p99, and its largest error."""
    figure, axes = new_axes(
        "Latency against error",
        "one step of one track, ms (p50, whisker to p99)",
        "largest absolute error",
        size_in=(NARROW_IN, 3.5),
    )
    rows = [row for row in record.rows if row.caller is Caller.RUNTIME and row.tracks == 1]
    errors = [1.0]
    for i, row in enumerate(rows):
        known = row.parity.max_abs_error
        if known is None:
            continue
        error = max(known, _SMALLEST_ERROR)
        errors.append(error)
        axes.errorbar(
            [row.p50_ms],
            [error],
            xerr=[[0.0], [row.p99_ms - row.p50_ms]],
            fmt=MARKERS[i % len(MARKERS)],
            color=LINES[i % len(LINES)],
            capsize=3,
            markersize=7,
            label=f"{row.graph} ({precision_label(row.precision)}), {row.parity.standing.value}",
        )
    axes.set_yscale("log")
    ticks = log_ticks(min(errors), max(errors[1:], default=1.0))
    plain_log_axis(axes.yaxis, ticks, label=power_label)
    axes.set_ylim(ticks[0] / 1.6, ticks[-1] * 1.6)
    axes.set_xlim(0.0, 1.1 * max(row.p99_ms for row in rows))
    figure.legend(loc="outside lower center", ncols=1)
    return figure


def _deviates(accepts: Numbers, rejects: Numbers) -> tuple[Sequence[float], Sequence[float]]:
    """Normal deviates of the points that are drawn; a rate of 0 has none."""
    points = [
        (a, r) for a, r in zip(accepts, rejects, strict=True) if 0.0 < a <= _HIGHEST_RATE and 0.0 < r <= _HIGHEST_RATE
    ]
    return [_DEVIATE(a) for a, _ in points], [_DEVIATE(r) for _, r in points]


def _rate_axis(axis: Axis, deviates: Sequence[float]) -> tuple[float, float]:
    """Put ticks in percent; limits from the lowest rate that was seen to 65 %."""
    low = max(min(deviates) - 0.1, _DEVIATE(_LOWEST_RATE))
    axis.set_major_locator(FixedLocator([_DEVIATE(rate) for rate in _RATES if _DEVIATE(rate) > low]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * NormalDist().cdf(value):.3g} %"))
    return low, _DEVIATE(_HIGHEST_RATE)


def _inside(rate: float) -> float:
    return min(max(rate, _LOWEST_RATE), _HIGHEST_RATE)
