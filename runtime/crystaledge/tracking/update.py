"""What a frame meant for the tracks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crystaledge.tracking.rows import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Tracks of one frame's detections, and the tracks whose life took a turn in this frame (each turn told once)."""

    numbers: NDArray[np.int64]
    """Track of each detection `(n,)`; -1 where it belongs to none."""
    stages: tuple[Stage | None, ...]
    """TENTATIVE or CONFIRMED for each detection; None where it belongs to no track."""
    born: tuple[int, ...]
    """New numbers; tentative, or confirmed at once where one detection suffices."""
    confirmed: tuple[int, ...]
    """Seen often enough to be somebody."""
    coasting: tuple[int, ...]
    """Were in view and are no longer; predicted on from here."""
    lost: tuple[int, ...]
    """No longer predicted; kept for appearance."""
    recovered: tuple[int, ...]
    """In view again, from coasting or from lost."""
    ended: tuple[int, ...]
    """Dead: whatever is kept of them can be wiped, the numbers are never used again."""
    merged: tuple[tuple[int, int], ...]
    """Those of `ended` that turned out to be another track, as (ended, goes on as)."""


@dataclass(slots=True)
class Events:
    """The turns, while they are gathered."""

    born: list[int] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)
    coasting: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    recovered: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    merged: list[tuple[int, int]] = field(default_factory=list)

    def merge(self, number: int, into: int) -> None:
        """A track goes on as another."""
        self.ended.append(number)
        self.merged.append((number, into))

    def told(self, numbers: NDArray[np.int64], stages: tuple[Stage | None, ...]) -> Update:
        """The update with these turns."""
        return Update(
            numbers=numbers,
            stages=stages,
            born=tuple(self.born),
            confirmed=tuple(self.confirmed),
            coasting=tuple(self.coasting),
            lost=tuple(self.lost),
            recovered=tuple(self.recovered),
            ended=tuple(self.ended),
            merged=tuple(self.merged),
        )
