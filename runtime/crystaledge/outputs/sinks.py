"""Several outputs as one; the fault of one is not the others'."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from typing import ClassVar

from crystaledge.outputs.view import FrameView, Sink, StopShowing


class Sinks(Sink):
    """Hands each frame to every sink; one that fails is closed and left out from then on.

    Args:
        say: told once, in one line, of a sink that failed.
    """

    name: ClassVar[str] = "the outputs"

    def __init__(self, sinks: Iterable[Sink], *, say: Callable[[str], None]) -> None:
        self._sinks = list(sinks)
        self._say = say

    def show(self, view: FrameView) -> None:
        """Show one frame everywhere.

        Raises:
            StopShowing: a sink asked for the end; all have shown the frame.
        """
        stop: StopShowing | None = None
        for sink in tuple(self._sinks):
            try:
                sink.show(view)
            except StopShowing as asked:
                stop = asked
            except Exception as error:  # whatever it is: the run is not to end for it
                self._give_up(sink, error)
        if stop is not None:
            raise stop

    def close(self) -> None:
        """Close every sink, whatever happens to the others."""
        sinks, self._sinks = self._sinks, []
        with ExitStack() as stack:
            for sink in reversed(sinks):
                stack.callback(self._close, sink)

    def _give_up(self, sink: Sink, error: Exception) -> None:
        self._sinks.remove(sink)
        self._report(f"{sink.name} stopped: {_in_one_line(error)}; the run goes on without it")
        with suppress(Exception):  # the fault has been told
            sink.close()

    def _close(self, sink: Sink) -> None:
        try:
            sink.close()
        except Exception as error:
            self._report(f"{sink.name} could not be closed: {_in_one_line(error)}")

    def _report(self, line: str) -> None:
        with suppress(OSError):  # nobody listens
            self._say(line)


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
