"""Frames on their way from the thread that reads them to the one that uses them."""

from __future__ import annotations

import threading
from collections import deque
from enum import Enum

from crystaledge.sources.frame import Frame


class DropPolicy(Enum):
    """What happens to frames that come faster than they are used."""

    LATEST = "latest"
    """The newest frame replaces the one that waits: for cameras, which are never held up."""
    EVERY = "every"
    """The reader waits until there is room: for files, of which no frame is left out."""


class Mailbox:
    """A bounded queue of frames, then at most one error, then the end.

    Safe between threads; everything is guarded by `changed`, which is notified of each change and may be shared by
    several mailboxes, so that one wait covers them all.
    """

    def __init__(self, *, policy: DropPolicy, capacity: int, changed: threading.Condition) -> None:
        self._policy = policy
        self._capacity = 1 if policy is DropPolicy.LATEST else capacity
        self._changed = changed
        self._frames: deque[Frame] = deque()
        self._error: BaseException | None = None
        self._finished = self._closed = False
        self.read = self.delivered = self.dropped = 0

    def put(self, frame: Frame) -> bool:
        """Post a frame, by the policy; False where the mailbox is closed, and the frame is not taken."""
        with self._changed:
            if self._policy is DropPolicy.EVERY:
                self._changed.wait_for(lambda: len(self._frames) < self._capacity)  # a close makes room
            if self._closed:
                return False
            if len(self._frames) == self._capacity:
                self._frames.clear()
                self.dropped += 1
            self._frames.append(frame)
            self.read += 1
            self._changed.notify_all()
            return True

    def finish(self, error: BaseException | None) -> None:
        """Say that no frame follows, and why, if that is an error."""
        with self._changed:
            self._finished = True
            self._error = None if self._closed else error
            self._changed.notify_all()

    def close(self) -> None:
        """Take and give nothing more; frames that wait are dropped."""
        with self._changed:
            self._closed = True
            self.dropped += len(self._frames)
            self._frames.clear()
            self._error = None
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Whether neither a frame nor an error will come."""
        with self._changed:
            return self._closed or (self._finished and not self._frames and self._error is None)

    @property
    def ready(self) -> bool:
        """Whether `poll` has something to tell: a frame, an error, or the end."""
        with self._changed:
            return bool(self._frames) or self._finished or self._closed

    def poll(self) -> Frame | None:
        """The oldest frame that waits; None where there is none.

        Raises:
            BaseException: the reader's error, once, after all frames before it.
        """
        with self._changed:
            if self._frames:
                self.delivered += 1
                frame = self._frames.popleft()
                self._changed.notify_all()
                return frame
            error, self._error = self._error, None
        if error is not None:
            raise error
        return None
