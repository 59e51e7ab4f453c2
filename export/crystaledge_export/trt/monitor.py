"""TensorRT's own progress, shown; Ctrl-C cancels the build instead of vanishing in a callback."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Monitor:
    """Follows a build; `native` is what TensorRT is given.

    Args:
        base: the module's `IProgressMonitor`.
        say: told the phase that a build is in, and how far it is, in [0, 1].
    """

    def __init__(self, base: Any, say: Callable[[str, float], None]) -> None:
        self.interrupted: BaseException | None = None
        self._say = say
        self._steps: dict[str, int] = {}
        body = {
            "phase_start": lambda native, phase, parent, steps: self._start(phase, steps),
            "step_complete": lambda native, phase, step: self._step(phase, step),
            "phase_finish": lambda native, phase: self._finish(phase),
        }
        self.native = type("_NativeMonitor", (base,), body)()

    def _start(self, phase: str, steps: int) -> None:
        self._steps[phase] = steps  # names come again: the newest start counts
        self._told(phase, 0)

    def _step(self, phase: str, step: int) -> bool:
        """False cancels, and so would an exception, silently."""
        self._told(phase, step + 1)
        return self.interrupted is None

    def _finish(self, phase: str) -> None:
        self._steps.pop(phase, None)

    def _told(self, phase: str, done: int) -> None:
        try:
            self._say(phase, min(done / max(self._steps.get(phase, done), 1), 1.0))
        except BaseException as error:  # raised again by the builder, once TensorRT has let go
            self.interrupted = error


@contextmanager
def interruptible(monitor: Monitor | None) -> Iterator[None]:
    """While TensorRT builds in the block, Ctrl-C cancels at the next step and is raised when TensorRT has let go.

    Python would raise it inside of whichever callback runs next, where the bindings swallow it. Without a
    monitor (8.6) nothing can be cancelled, and it is raised after the build.
    """
    watched = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if watched else None
    noted: list[BaseException] = []

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(KeyboardInterrupt())
        if monitor is not None:
            monitor.interrupted = noted[0]

    if watched:
        signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        if watched:
            signal.signal(signal.SIGINT, before)
    raised = monitor.interrupted if monitor is not None else next(iter(noted), None)
    if raised is not None:
        raise raised
