"""How fast it goes, in one line that is rewritten in place."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import ClassVar, TextIO

from crystaledge.outputs.view import FrameView, Sink

_REFRESH_S = 0.2
_SMOOTHING = 0.3
"""Weight of the newest refresh in the moving rate: after five, a second, it has gone 83 % of the way to a new one."""
_CLEAR = "\r\x1b[K"


class LiveLine(Sink):
    """Frames a second, tracks, share recomputed and dropped frames; on a terminal in one line, else a line at times.

    Args:
        stream: stderr, as a rule.
        every_s: between lines where the stream is no terminal.
        clock: seconds, never going back.
    """

    name: ClassVar[str] = "the live line"

    def __init__(self, stream: TextIO, *, every_s: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._terminal = stream.isatty()
        self._every_s = _REFRESH_S if self._terminal else every_s
        self._since_s = clock()
        self._fps: float | None = None
        self._frames, self._share, self._dropped = 0, 0.0, 0
        self._tracks: dict[str, int] = {}
        """Of each sequence that was seen since the last refresh."""
        self._line = ""

    def show(self, view: FrameView) -> None:
        """Count one frame; the line is written only when it is time."""
        self._frames += 1
        self._share += view.gate_share
        self._dropped += view.dropped_frames
        self._tracks[view.frame.sequence] = len(view.tracks)
        now_s = self._clock()
        if now_s - self._since_s >= self._every_s:
            self._refresh(now_s)

    def say(self, line: str) -> None:
        """Print a line of somebody else's without breaking this one."""
        self._stream.write(f"{_CLEAR}{line}\n{self._line}" if self._terminal else line + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Write the last numbers and leave the line standing."""
        now_s = self._clock()
        if self._frames and now_s > self._since_s:
            self._refresh(now_s)
        if self._terminal and self._line:
            self._stream.write("\n")
            self._stream.flush()
        self._line = ""

    def _refresh(self, now_s: float) -> None:
        fps = self._frames / (now_s - self._since_s)
        self._fps = fps if self._fps is None or not self._terminal else self._fps + _SMOOTHING * (fps - self._fps)
        line = (
            f"{self._fps:.1f} fps, {sum(self._tracks.values())} tracks, "
            f"{self._share / self._frames:.0%} recomputed, {self._dropped} dropped"
        )
        self._frames, self._share, self._since_s = 0, 0.0, now_s
        self._tracks.clear()
        if self._terminal:
            self._line = line[: self._columns() - 1]
            self._stream.write(_CLEAR + self._line)
        else:
            self._stream.write(line + "\n")
        self._stream.flush()

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80
