"""When a frame was taken: from the container of a file, or from its arrival at a live source. Never backwards."""

from __future__ import annotations

import math
from collections.abc import Callable

_USUAL_FPS = 25.0
"""Where a container tells neither times nor a rate."""
_FPS_RANGE = (1e-3, 1e3)
"""A higher rate in a header is a unit and not a rate, 90000 for one; a lower one is no film's."""
_FARTHEST_S = 1e9
"""Thirty years: a position beyond is no time, and so is NaN; up to here a float tells milliseconds apart."""
_LARGEST_LAG_S = 1.0
"""A frame that arrives later than this after its time has a time that cannot be trusted."""
_CREEP = 1e-3
"""Share of a frame's lag by which the anchor follows it, so that drift between two clocks is followed."""


class ContainerTime:
    """Times of a file's frames, strictly increasing: the container's, and the nominal rate where those fail.

    Variable frame rates are kept, since each time is the container's own. Where a time is missing or does not grow,
    one nominal period is added to the last; the container is believed again once it is ahead.
    """

    def __init__(self, rate_fps: float | None, *, on_fault: Callable[[], None] = lambda: None) -> None:
        """Start before the first frame.

        Args:
            rate_fps: nominal rate; 25 is taken where it is None or cannot be true.
            on_fault: called once, when the container's times fail.
        """
        known = rate_fps is not None and _FPS_RANGE[0] <= rate_fps <= _FPS_RANGE[1]
        self._period_s = 1.0 / (rate_fps if rate_fps is not None and known else _USUAL_FPS)
        self._on_fault: Callable[[], None] | None = on_fault
        self._last_s: float | None = None

    def stamp(self, position_s: float | None) -> float:
        """Time of the next frame in seconds, whose container position is this."""
        last_s = self._last_s
        if position_s is not None and abs(position_s) < _FARTHEST_S and (last_s is None or position_s > last_s):
            self._last_s = position_s
            return position_s
        if self._on_fault is not None:
            self._on_fault()
            self._on_fault = None
        self._last_s = 0.0 if last_s is None else last_s + self._period_s
        return self._last_s


class SteadyClock:
    """A clock that goes on from where it was when the one beneath it jumps back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last_s: float | None = None
        self._shift_s = 0.0

    def __call__(self) -> float:
        """Seconds, never less than before."""
        now_s = self._clock() + self._shift_s
        if self._last_s is not None and now_s < self._last_s:
            self._shift_s += self._last_s - now_s
            now_s = self._last_s
        self._last_s = now_s
        return now_s


class ArrivalTime:
    """Times of a live source's frames on the host's clock, never decreasing.

    Without a time from the backend it is the moment of arrival. With one (a V4L2 buffer's, an RTP timestamp) the
    spacing is the backend's, free of the jitter of the network, anchored to the host's clock by the frame that
    travelled fastest: a frame is never later than its arrival. This is the minimum filter by which one-way delays
    are estimated (Paxson, "On Calibrating Measurements of Packet Transit Times", 1998), with a slow creep for drift.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = SteadyClock(clock)
        self._position_s: float | None = None
        self._anchor_s = 0.0

    def restart(self) -> None:
        """Note a new connection, whose backend counts from another start."""
        self._position_s = None

    def stamp(self, position_s: float | None) -> float:
        """Time in seconds of the frame that has arrived now, whose backend position is this."""
        arrival_s = self._clock()
        before_s = self._position_s
        self._position_s = position_s if position_s is not None and math.isfinite(position_s) else None
        if self._position_s is None:
            return arrival_s
        if before_s is not None and self._position_s > before_s:
            lag_s = arrival_s - (self._anchor_s + self._position_s)
            if 0.0 <= lag_s <= _LARGEST_LAG_S:
                self._anchor_s += _CREEP * lag_s
                return self._anchor_s + self._position_s
        # Never before the last: that one was no later than its own arrival.
        self._anchor_s = arrival_s - self._position_s
        return arrival_s
