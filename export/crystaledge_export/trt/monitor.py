"""TensorRT's own progress, shown; Ctrl-C cancels the build instead of vanishing in a callback."""

from __future__ import annotations

from collections.abc import Callable
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
