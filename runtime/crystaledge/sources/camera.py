"""A live source: a camera or a network stream that may be unplugged and come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from numpy.typing import NDArray

from crystaledge.errors import DataError
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.capture import Capture, Connect
from crystaledge.sources.clock import ArrivalTime
from crystaledge.sources.frame import Frame
from crystaledge.sources.pixels import as_bgr
from crystaledge.sources.retry import Retry


class LiveSource:
    """Frames of one camera as one sequence, for as long as it can be had.

    `time_s` is on the host's monotonic clock and never decreases, across reconnections too. A loss and a return are
    one line each to `say`. One thread iterates; `stop` may be called from any.

    Raises:
        DataError: while iterating: it cannot be opened at the start, it did not come back to stay in all attempts,
            or its pictures have a format that is not used here.
    """

    def __init__(
        self,
        name: str,
        connect: Connect,
        *,
        retry: Retry | None = None,
        say: Callable[[str], None] = lambda line: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        """Describe the camera; it is opened when iterated.

        Args:
            name: of the sequence, and in messages: never a credential.
            connect: opens it; called again after each loss.
            retry: how often and how soon; 10 attempts within about two minutes where None.
            say: hears one line on a loss and one on a return.
            clock: seconds; may jump back.
            sleep: waits so many seconds between attempts; where None, a wait that `stop` ends.
        """
        self.name = name
        self._connect = connect
        self._retry = retry or Retry()
        self._say = say
        self._clock = clock
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._reconnects = 0
        self._tries = self._fresh_tries()

    @property
    def reconnects(self) -> int:
        """How often it came back after a loss."""
        return self._reconnects

    def stop(self) -> None:
        """End the iteration after the read or open that is under way; a wait between attempts ends at once."""
        self._stopped.set()

    def __iter__(self) -> Iterator[Frame]:
        times = ArrivalTime(self._clock)
        index = 0
        self._tries = self._fresh_tries()
        found = self._first()
        while found is not None:
            times.restart()
            first = index
            for pixels, position_s in self._pictures(*found):
                yield Frame(as_bgr(pixels, of=self.name), ColorOrder.BGR, index, self.name, times.stamp(position_s))
                index += 1
            if index - first >= self._retry.settled_frames:
                self._tries = self._fresh_tries()
            found = None if self._stopped.is_set() else self._after_loss()

    def _pictures(self, capture: Capture, first: NDArray[Any]) -> Iterator[tuple[NDArray[Any], float | None]]:
        pixels: NDArray[Any] | None = first
        with closing(capture):
            while pixels is not None and not self._stopped.is_set():
                yield pixels, capture.position_s
                pixels = capture.read()

    def _first(self) -> tuple[Capture, NDArray[Any]] | None:
        found = self._attempt()
        if found is not None or self._stopped.is_set():
            return found
        if self._retry.at_start:
            self._say(f"{self.name} is not there yet; waiting for it.")
            return self._again()
        msg = (
            f"{self.name} cannot be opened or gives no picture; check its cable, power, address and password, "
            "and that no other program uses it."
        )
        raise DataError(msg)

    def _after_loss(self) -> tuple[Capture, NDArray[Any]] | None:
        self._say(f"{self.name} is lost; trying to reconnect.")
        found = self._again()
        if found is not None:
            self._reconnects += 1
        return found

    def _again(self) -> tuple[Capture, NDArray[Any]] | None:
        for attempt, delay_s in self._tries:
            self._sleep(delay_s)
            if self._stopped.is_set():
                return None
            found = self._attempt()
            if found is not None:
                self._say(f"{self.name} is there, at attempt {attempt}.")
                return found
        msg = (
            f"{self.name} did not come back to stay in {self._retry.attempts} attempts; check its cable, power and "
            "network, then start again."
        )
        raise DataError(msg)

    def _fresh_tries(self) -> Iterator[tuple[int, float]]:
        return enumerate(self._retry.delays_s(self.name), 1)

    def _attempt(self) -> tuple[Capture, NDArray[Any]] | None:
        # A device counts as there with its first picture: some open well and then give nothing.
        capture = self._connect()
        if capture is None:
            return None
        pixels = capture.read()
        if pixels is None:
            capture.close()
            return None
        return capture, pixels
