"""Figures of a calibration: ranges and what they clip, sensitivity and cost of nodes, clipping of state channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from crystaledge.manifest.model import Precision
from crystaledge_benchmarks.figures import (
    BLUE,
    GREY,
    NARROW_IN,
    ORANGE,
    SKY,
    new_axes,
)
from crystaledge_calibration.records import CalibrationRecord, ChannelClipping, NodeRecord

_ROW_IN = 0.21
_COLOURS = {Precision.INT8: BLUE, Precision.FLOAT32: ORANGE}
_LONGEST_NAME = 24


def ranges(record: CalibrationRecord) -> Figure:
    """What each activation showed against where it was cut, in units of the cut; clipped shares at the right."""
    rows = record.ranges
    figure, axes = new_axes(
        "Ranges of activations", "observed values / cut (amax)", "", size_in=(NARROW_IN, 1.5 + _ROW_IN * len(rows))
    )
    axes.axvspan(-1.0, 1.0, color=SKY, alpha=0.18, linewidth=0)
    reach = 1.0
    for y, row in enumerate(rows):
        cut = row.amax or 1.0
        colour = ORANGE if row.state else BLUE
        axes.plot([row.low / cut, row.high / cut], [y, y], color=colour, linewidth=4, solid_capstyle="butt")
        _beside(axes, y, f"{row.amax:.3g}", _percent(row.clipped))
        reach = max(reach, abs(row.low / cut), abs(row.high / cut))
    _beside(axes, -1.0, "cut", "clipped", colour=GREY)
    axes.set_yticks(range(len(rows)), [_short(row.tensor) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(-reach * 1.08, reach * 1.08)
    handles = [Patch(color=BLUE), Patch(color=ORANGE), Patch(color=SKY, alpha=0.4)]
    figure.legend(handles, ["activation", "state", "kept in INT8"], loc="outside lower center", ncols=3)
    return figure


def node_sensitivity(record: CalibrationRecord) -> Figure:
    """Closed-loop loss with each node alone in INT8, beside its share of the work; worst first.

    A node that was never in INT8 has no bar.
    """
    nodes = sorted(record.nodes, key=lambda node: -node.sensitivity)
    figure = Figure(figsize=(NARROW_IN, 1.6 + _ROW_IN * len(nodes)), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    colours = [_COLOURS[node.precision] for node in nodes]
    places = range(len(nodes))
    left.barh(places, [1000.0 * node.sensitivity for node in nodes], color=colours)
    left.set(title="Sensitivity", xlabel=f"1 - {record.measure}, x 0.001")
    right.barh(places, _mac_shares(nodes), color=colours)
    right.set(title="Work", xlabel="share of MACs, %")
    left.set_yticks(places, [_short(node.node) for node in nodes])
    left.set_ylim(len(nodes) - 0.4, -0.6)
    for axes in (left, right):
        axes.grid(axis="x", alpha=0.3)
        axes.set_axisbelow(True)
    figure.legend([Patch(color=c) for c in _COLOURS.values()], ["INT8", "float32"], loc="outside lower center", ncols=2)
    return figure


def channel_clipping(clipping: ChannelClipping) -> Figure:
    """Share of a state's values that INT8 cuts off, by channel."""
    figure, axes = new_axes(
        f"Clipping of {_short(clipping.tensor)}", "channel of the state", "clipped values, %", size_in=(NARROW_IN, 2.6)
    )
    shares = 100.0 * np.asarray(clipping.share)
    axes.bar(range(len(shares)), shares, color=BLUE, width=0.8)
    axes.set_ylim(0.0, max(float(shares.max(initial=0.0)) * 1.1, 0.1))
    axes.grid(axis="x", visible=False)
    axes.set_axisbelow(True)
    return figure


def _beside(axes: Axes, y: float, *cells: str, colour: str = "black") -> None:
    """Columns of words at the right of a row."""
    for cell, offset_pt in zip(cells, (36, 78), strict=True):
        axes.annotate(
            cell,
            (1.0, y),
            xytext=(offset_pt, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=7.5,
            color=colour,
        )


def _mac_shares(nodes: Sequence[NodeRecord]) -> list[float]:
    total = max(sum(node.macs for node in nodes), 1)
    return [100.0 * node.macs / total for node in nodes]


def _percent(share: float) -> str:
    return "none" if share == 0.0 else f"{100.0 * share:.2g} %"


def _short(name: str) -> str:
    """The end of a name, which tells nodes apart."""
    return name if len(name) <= _LONGEST_NAME else "…" + name[1 - _LONGEST_NAME :]
