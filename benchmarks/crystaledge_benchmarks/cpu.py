"""CPU time of this process, and how it spreads over repeats."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A number that was measured several times."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Median and extremes of at least one value."""
        return cls(median=median(values), low=min(values), high=max(values))

    def text(self, digits: int = 2) -> str:
        """Median, and the extremes in brackets."""
        return f"{self.median:.{digits}f} ({self.low:.{digits}f}-{self.high:.{digits}f})"


class CpuClock:
    """Adds up the CPU seconds, of all threads, of what runs inside of `with clock:`."""

    def __init__(self) -> None:
        self.total_s = 0.0
        self._began_s = 0.0

    def __enter__(self) -> CpuClock:
        self._began_s = time.process_time()
        return self

    def __exit__(self, *exception: object) -> None:
        self.total_s += time.process_time() - self._began_s
