"""One link of the chain and how it went."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """How a stage ended; what was not run is said, never hidden."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage's result in a sentence."""

    name: str
    status: Status
    detail: str
    seconds: float
