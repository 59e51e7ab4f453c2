"""Plots of an evaluation, as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.figure import Figure


def line_plot(
    series: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    *,
    title: str,
    x_label: str,
    y_label: str,
    band: tuple[Sequence[float], Sequence[float], Sequence[float]] | None = None,
) -> bytes:
    """Lines `(name, x, y)` in one plot, with an optional band `(x, low, high)`."""
    figure = Figure(figsize=(6.4, 4.0), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    if band is not None:
        axes.fill_between(*band, alpha=0.2, label="10th to 90th percentile")
    for name, x, y in series:
        axes.plot(x, y, marker="o", label=name)
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.grid(alpha=0.3)
    axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
