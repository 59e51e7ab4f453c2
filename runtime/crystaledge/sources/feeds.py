"""Several cameras or files read together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

from crystaledge.errors import CrystalEdgeError, UsageError
from crystaledge.sources.camera import LiveSource
from crystaledge.sources.feed import CLOSE_TIMEOUT_S, Feed, FeedCounters
from crystaledge.sources.frame import Frame, Source
from crystaledge.sources.mailbox import DropPolicy
from crystaledge.sources.names import SequenceNames


def default_policy(source: Source) -> DropPolicy:
    """LATEST for a live source, EVERY for one that can wait."""
    return DropPolicy.LATEST if isinstance(source, LiveSource) else DropPolicy.EVERY


class Feeds:
    """One feed for each source; sequences of different sources have different names.

    A source that fails for good does not end the others: its error is told to `say` and kept in `failures`. Only when
    every source has failed is the last error raised. Use it in a `with` statement: whatever leaves it, Ctrl-C too,
    closes all feeds.

    Raises:
        UsageError: no source, one that is named twice, or a capacity below 1.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        policy: Callable[[Source], DropPolicy] = default_policy,
        capacity: int = 2,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Start reading all sources.

        Args:
            sources: different objects, each with its own thread.
            policy: chosen for each source.
            capacity: frames of a source that may wait with `DropPolicy.EVERY`.
            say: hears one line for each source that fails.
        """
        if not sources or len({id(source) for source in sources}) < len(sources) or capacity < 1:
            msg = f"Feeds need at least one source, each given once, and room for a frame; got {len(sources)} sources."
            raise UsageError(msg)
        self._names = SequenceNames(sources)
        self._say = say
        self._failures: list[CrystalEdgeError] = []
        self._sources: dict[str, int] = {}
        self._latest: dict[int, str] = {}
        self._told = [0] * len(sources)
        self._changed = threading.Condition()
        self._feeds = tuple(
            Feed(source, policy=policy(source), capacity=capacity, changed=self._changed) for source in sources
        )

    @property
    def ended(self) -> bool:
        """Whether no feed will give a frame or an error any more."""
        return all(feed.ended for feed in self._feeds)

    @property
    def failures(self) -> tuple[CrystalEdgeError, ...]:
        """Errors of the sources that failed for good, in the order in which they were met."""
        return tuple(self._failures)

    @property
    def counters(self) -> tuple[FeedCounters, ...]:
        """Of each feed, in the order of the sources."""
        return tuple(feed.counters for feed in self._feeds)

    def finished(self) -> list[str]:
        """Sequences that will show no frame any more, each told once: their source has ended, or shows another one."""
        done = [
            name for name, number in self._sources.items() if self._feeds[number].ended or self._latest[number] != name
        ]
        for name in done:
            del self._sources[name]
        return done

    def dropped_since(self, sequence: str) -> int:
        """Frames of the source of a sequence that were dropped since this was last asked; 0 for an unknown one."""
        number = self._sources.get(sequence)
        if number is None:
            return 0
        total = self._feeds[number].counters.dropped
        fresh, self._told[number] = total - self._told[number], total
        return fresh

    def gather(self, timeout_s: float = 1.0) -> list[Frame]:
        """At most one frame of each feed, in the order of the sources.

        Feeds that drop nothing are waited for, however long that takes: one frame of each that still runs, so that
        the same files give the same answers. Of live feeds it is what has arrived; where only those are left, the
        first frame is awaited for at most `timeout_s` seconds. An empty list means that nothing came in time or that
        feeds ended: see `ended`.

        Raises:
            CrystalEdgeError: every source has failed; this is the last error.
        """
        self._await(timeout_s)
        found = ((number, self._poll(feed)) for number, feed in enumerate(self._feeds))
        frames = [(number, self._names.renamed(number, frame)) for number, frame in found if frame is not None]
        for number, frame in frames:
            self._sources[frame.sequence] = number
            self._latest[number] = frame.sequence
        return [frame for _, frame in frames]

    def __iter__(self) -> Iterator[list[Frame]]:
        """What `gather` finds, without empty lists, up to the end, and then close; raises as `gather` does."""
        with self:
            while not self.ended:
                frames = self.gather()
                if frames:
                    yield frames

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Stop all feeds and join their threads, for at most `timeout_s` seconds together; again is no harm."""
        for feed in self._feeds:
            feed.stop()
        deadline_s = time.monotonic() + timeout_s
        for feed in self._feeds:
            feed.close(deadline_s - time.monotonic())

    def __enter__(self) -> Feeds:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _await(self, timeout_s: float) -> None:
        running = [feed for feed in self._feeds if not feed.ended]
        patient = [feed for feed in running if feed.policy is DropPolicy.EVERY]
        with self._changed:
            if patient:
                self._changed.wait_for(lambda: all(feed.ready for feed in patient))
            elif running:
                self._changed.wait_for(lambda: any(feed.ready for feed in running), timeout_s)

    def _poll(self, feed: Feed) -> Frame | None:
        try:
            return feed.take(0.0)
        except CrystalEdgeError as error:
            self._failures.append(error)
            if len(self._failures) == len(self._feeds):
                raise
            self._say(str(error))
            return None
