"""From frames that come when they come to a file with one constant frame rate and the right duration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

LOWEST_FPS, HIGHEST_FPS = 1.0, 120.0
DEFAULT_FPS = 25.0
"""Of a source that has no timestamps, where nobody gave a rate."""
LONGEST_GAP_S = 60.0


def rate_of(times_s: Sequence[float | None]) -> float:
    """Frames a second: one through the median gap between timestamps, to 1/100, in [1, 120]; 25 without timestamps."""
    times = [time for time in times_s if time is not None]
    gaps = [after - before for before, after in pairwise(times) if after > before]
    if not gaps:
        return DEFAULT_FPS
    # Codecs keep the rate as a fraction of small numbers, hence hundredths.
    return round(min(max(1.0 / median(gaps), LOWEST_FPS), HIGHEST_FPS), 2)


class Timeline:
    """Tells how often each picture is written: slow frames are repeated, frames that come too fast are skipped.

    A picture is written when its successor is known. A clock that jumps back, or ahead by more than a
    minute, was set anew: the frame then follows its predecessor at once. So does a frame without a
    timestamp.
    """

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._start_s: float | None = None
        self._slot = 0
        """Place in the file of the picture that was seen last, counted from `_start_s`."""
        self._last_s: float | None = None
        self._began = False

    def advance(self, time_s: float | None) -> int:
        """How often the picture before this one is written; 0 for the first, and for one that is skipped."""
        if not self._began:
            self._began = True
            self._restart(time_s)
            return 0
        if time_s is None or self._start_s is None or self._last_s is None or not self._follows(time_s, self._last_s):
            self._restart(time_s)
            return 1
        slot = math.floor((time_s - self._start_s) * self._fps + 0.5)
        repeats = max(slot - self._slot, 0)
        self._slot += repeats
        self._last_s = time_s
        return repeats

    def _follows(self, time_s: float, before_s: float) -> bool:
        return 0.0 <= time_s - before_s <= LONGEST_GAP_S  # NaN does not

    def _restart(self, time_s: float | None) -> None:
        usable = time_s is not None and math.isfinite(time_s)
        self._start_s = self._last_s = time_s if usable else None
        self._slot = 0
