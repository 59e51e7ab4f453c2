"""What a page is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from markupsafe import Markup
from matplotlib.figure import Figure

from crystaledge_benchmarks.figures import svg_text
from crystaledge_benchmarks.report.tables import Table


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure with its caption."""

    svg: Markup
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page: words, pictures with narrow tables beside them, wide tables."""

    title: str
    notes: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    beside: tuple[Table, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True)
class Chapter:
    """Sections under one title."""

    title: str
    sections: tuple[Section, ...]


class Draughtsman:
    """Draws figures, each with ids of its own."""

    def __init__(self) -> None:
        self._numbers = count()

    def draw(self, make: Callable[[], Figure], caption: str) -> Picture:
        """The figure that `make` makes, in the house's style."""
        return Picture(Markup(svg_text(make, prefix=f"f{next(self._numbers)}")), caption)
