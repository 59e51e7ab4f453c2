"""TensorRT's messages: most failures are a None, and the reason stands in the log alone."""

from __future__ import annotations

from functools import cache
from typing import Any

_KEPT = 50
_WARNING = 2
"""Severity: 0 internal error, 1 error, 2 warning; above are talk."""
_NOISE = ("catchCudaError", "cudaError 35")
"""Without a driver every real message is followed by this one."""


class Log:
    """Errors and warnings since the last `clear`; `native` is what TensorRT is given."""

    def __init__(self, base: Any) -> None:
        self._errors: list[str] = []
        self.warnings: list[str] = []
        # A subclass of `Logger` is never called back (TensorRT-RTX 1.7); one of `ILogger` is.
        kind = type("_Native", (base,), {"log": lambda native, severity, text: self._note(int(severity), text)})
        self.native = kind()

    def clear(self) -> None:
        """Forget what was said."""
        self._errors.clear()
        self.warnings.clear()

    def reason(self) -> str:
        """The first error since the last `clear`, in one line: what follows it are its consequences."""
        errors = [text for text in self._errors if not all(mark in text for mark in _NOISE)] or self._errors
        return " ".join(errors[0].split()) if errors else "it gave no reason"

    def _note(self, severity: int, text: str) -> None:
        kept = self._errors if severity < _WARNING else self.warnings
        if severity <= _WARNING and len(kept) < _KEPT:  # the first are causes, the rest consequences
            kept.append(text)


@cache
def log_of(base: Any) -> Log:
    """The log of a TensorRT, by its `ILogger`: TensorRT registers the first logger of a process for good."""
    return Log(base)
