"""Plain tables for a person at a terminal, and what a part of the measurement gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """Words in rows and columns; the first column stands left, the others right."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def text(self) -> str:
        """The table, title first, without blanks at the ends of lines."""
        widths = [max(map(len, column)) for column in zip(self.header, *self.rows, strict=True)]
        return "\n".join([self.title, *(_line(row, widths) for row in (self.header, *self.rows))])


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReport:
    """One part of the measurement."""

    name: str
    tables: tuple[Table, ...]
    findings: tuple[str, ...]
    """One sentence each."""
    record: object
    """Everything, as dataclasses, lists and dictionaries that `crystaledge.jsonio.encode` takes."""

    def text(self) -> str:
        """All of it for a person."""
        return "\n\n".join([f"== {self.name}", *(table.text() for table in self.tables), "\n".join(self.findings)])


def number(value: float | None, digits: int = 2) -> str:
    """A number, or `-` where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def share(part: int, whole: int) -> float | None:
    """Part of a whole, None where the whole is nothing."""
    return part / whole if whole else None


def percent(value: float | None) -> str:
    """A share in percent, or `-` where there is none."""
    return "-" if value is None else f"{100.0 * value:.1f} %"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]).rstrip()
