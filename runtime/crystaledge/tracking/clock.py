"""Time that never runs back, from a source whose time may."""

from __future__ import annotations

import math

from crystaledge.errors import UsageError


class Clock:
    """Adds up the steps forward of a source's time.

    A source that jumps back (a file begins anew, a camera's clock is set) starts a new count from
    there; the jump itself takes no time.
    """

    def __init__(self, *, now_s: float = 0.0, source_s: float | None = None) -> None:
        self.now_s = now_s
        """Seconds of progress since the first frame."""
        self.source_s = source_s
        """The source's time of the latest frame; None before the first."""

    def at(self, time_s: float) -> float:
        """What `now_s` would be at this time of the source.

        Raises:
            UsageError: the time is NaN or infinite.
        """
        if not math.isfinite(time_s):
            msg = f"A frame's time is {time_s} s; expected a finite number of seconds."
            raise UsageError(msg)
        if self.source_s is None:
            return self.now_s
        return self.now_s + max(0.0, time_s - self.source_s)

    def advance(self, time_s: float) -> float:
        """Go on to this time of the source and return `now_s`; errors as `at`."""
        self.now_s, self.source_s = self.at(time_s), time_s
        return self.now_s
