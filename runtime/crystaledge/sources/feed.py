"""One source read by a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from crystaledge.errors import UsageError
from crystaledge.sources.camera import LiveSource
from crystaledge.sources.frame import Frame, Source
from crystaledge.sources.mailbox import DropPolicy, Mailbox

CLOSE_TIMEOUT_S = 2.0
"""How long a close waits for a thread whose capture does not answer, before it is left to end by itself."""


@dataclass(frozen=True, slots=True)
class FeedCounters:
    """`read` is `delivered` and `dropped` together, and what still waits."""

    read: int
    """Frames that the source gave."""
    delivered: int
    dropped: int
    """Frames that a newer one replaced, or that waited when the feed was closed."""
    reconnects: int


class Feed:
    """A thread that reads one source into a bounded queue; it starts at once.

    An error of the source comes out of `take` once, after the frames before it. Use it in a `with` statement, so
    that it is closed whatever happens. The thread is a daemon: a capture that hangs does not hold up the process.

    Raises:
        UsageError: a capacity below 1.
    """

    def __init__(
        self,
        source: Source,
        *,
        policy: DropPolicy,
        capacity: int = 2,
        changed: threading.Condition | None = None,
    ) -> None:
        """Start reading.

        Args:
            source: iterated once, in the thread.
            policy: what happens to frames that come faster than they are taken.
            capacity: frames that may wait with `DropPolicy.EVERY`; with LATEST it is one.
            changed: notified when something can be taken; several feeds may share one.
        """
        if capacity < 1:
            msg = f"A feed needs room for at least 1 frame; got a capacity of {capacity}."
            raise UsageError(msg)
        self.policy = policy
        self._source = source
        self._changed = changed or threading.Condition()
        self._mailbox = Mailbox(policy=policy, capacity=capacity, changed=self._changed)
        self._thread = threading.Thread(target=self._pump, name="crystaledge-feed", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether no frame and no error will come any more."""
        return self._mailbox.ended

    @property
    def ready(self) -> bool:
        """Whether `take` would answer without waiting."""
        return self._mailbox.ready

    @property
    def counters(self) -> FeedCounters:
        """What has happened so far."""
        reconnects = self._source.reconnects if isinstance(self._source, LiveSource) else 0
        box = self._mailbox
        with self._changed:
            return FeedCounters(box.read, box.delivered, box.dropped, reconnects)

    def take(self, timeout_s: float | None = None) -> Frame | None:
        """The next frame; None where none came in time, or none will come: see `ended`.

        Args:
            timeout_s: longest wait in seconds; None waits until there is a frame, an error or the end.

        Raises:
            CrystalEdgeError: the source failed; once.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.ready, timeout_s)
        return self._mailbox.poll()

    def __iter__(self) -> Iterator[Frame]:
        """All frames up to the end, and then close; raises as `take` does."""
        with self:
            while (frame := self.take()) is not None:
                yield frame

    def stop(self) -> None:
        """Begin to close, without waiting for the thread."""
        self._mailbox.close()
        if isinstance(self._source, LiveSource):
            self._source.stop()

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Stop, drop what waits, and join the thread for at most `timeout_s` seconds; again is no harm."""
        self.stop()
        self._thread.join(max(0.0, timeout_s))

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _pump(self) -> None:
        error: BaseException | None = None
        try:
            self._read()
        except BaseException as raised:  # whatever it is, the consumer must hear of it instead of waiting
            error = raised
        self._mailbox.finish(error)

    def _read(self) -> None:
        frames = iter(self._source)
        try:
            for frame in frames:
                if not self._mailbox.put(frame):
                    return
        finally:
            if isinstance(frames, Generator):
                frames.close()  # in this thread, which opened the capture
