"""Numbers of tracks, each given once."""

from __future__ import annotations

from threading import Lock

from crystaledge.errors import UsageError


class TrackIds:
    """Gives out track numbers, never one twice; several cameras share one object, from any thread.

    Raises:
        UsageError: `first` is negative.
    """

    def __init__(self, first: int = 0) -> None:
        if first < 0:
            msg = f"The first track number is {first}; give 0 or more."
            raise UsageError(msg)
        self._next = first
        self._lock = Lock()

    @property
    def next(self) -> int:
        """The number that `take` gives next; keep it to go on from there after a restart."""
        return self._next

    def take(self) -> int:
        """A number that nobody had before."""
        with self._lock:
            self._next += 1
            return self._next - 1

    def skip_past(self, number: int) -> None:
        """Never give `number` or a smaller one: an earlier run gave them."""
        with self._lock:
            self._next = max(self._next, number + 1)
