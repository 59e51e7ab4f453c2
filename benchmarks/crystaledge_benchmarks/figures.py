"""What all figures share: size, colours that colour-blind people tell apart, and their files."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#A8518A", "#56B4E9"
"""Okabe and Ito's palette, the purple darkened for contrast on white."""
GREY = "#5A6676"
LINES = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, GREY)
MARKERS = "osD^vPX"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_WIDE = 30.0
"""Ratio from which on powers of ten are enough."""
NARROW_IN = 4.8
"""Width: fills a phone at its own text size, and half a desktop page."""


def new_axes(
    title: str, x_label: str, y_label: str, *, size_in: tuple[float, float] = (5.6, 3.6)
) -> tuple[Figure, Axes]:
    """A figure with one grid of axes."""
    figure = Figure(figsize=size_in, dpi=100, layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.grid(alpha=0.3)
    return figure, axes


def png_bytes(figure: Figure) -> bytes:
    """A figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def svg_text(make: Callable[[], Figure], *, prefix: str) -> str:
    """Draw a figure in the house's style, as an `<svg>` element that can stand in a page with others.

    The same figure gives the same text. Letters are outlines, so that the page looks alike everywhere.

    Args:
        prefix: put before every id, which must be unique in the page.
    """
    buffer = io.StringIO()
    with _house_style():
        nothing = {"Creator": None, "Date": None, "Format": None, "Type": None}
        make().savefig(buffer, format="svg", metadata=nothing)
    text = re.sub(r"<!--.*?-->\n?", "", buffer.getvalue(), flags=re.DOTALL)
    text = text[text.index("<svg") :]
    text = re.sub(r' id="', f' id="{prefix}-', text)
    return re.sub(r'(xlink:href="|url\()#', rf"\g<1>#{prefix}-", text).rstrip()


def plain_log_axis(axis: Axis, ticks: Sequence[float], *, label: Callable[[float], str]) -> None:
    """Put the ticks of a logarithmic axis at these values alone, with labels that are no formulas."""
    axis.set_major_locator(FixedLocator(list(ticks)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: label(value)))
    axis.set_minor_locator(NullLocator())


def power_label(value: float) -> str:
    """Digits near 1; an exponent for a power of ten elsewhere."""
    exponent = math.log10(value)
    if -2.1 < exponent < 3.1 or abs(exponent - round(exponent)) > 1e-6:
        return f"{value:g}"
    return "10" + str(round(exponent)).translate(_SUPERSCRIPT)


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers that span [low, high], at least two and about eight at most; `low` is positive."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    if high / low > _WIDE:
        step = (last - first) // 8 + 1
        return [10.0**n for n in range(first, last + step, step)]
    steps = sorted(float(f"{digit}e{n}") for n in range(first - 1, last + 1) for digit in (1, 2, 5))
    below = max((i for i, tick in enumerate(steps) if tick <= low), default=0)
    above = min((i for i, tick in enumerate(steps) if tick >= high), default=len(steps) - 1)
    return steps[below : max(above, below + 1) + 1]


def _house_style() -> AbstractContextManager[None]:
    return rc_context(
        {
            "font.size": 8.5,
            "axes.titlesize": 9.5,
            "axes.titleweight": "bold",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": GREY,
            "grid.alpha": 0.3,
            "legend.fontsize": 7.5,
            "legend.frameon": False,
            "lines.linewidth": 1.4,
            "lines.markersize": 4.0,
            "svg.fonttype": "path",
            "svg.hashsalt": "crystaledge",
            "text.parse_math": False,  # names come from files, and "$" in one is no formula
        }
    )
