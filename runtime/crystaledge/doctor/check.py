"""One line of the doctor's report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Health(Enum):
    """What was found."""

    FACT = "fact"
    """Nothing to judge."""
    WORKS = "works"
    """Proven by running it."""
    MISSING = "missing"
    """It is not installed; the cure says how to get it."""
    BROKEN = "broken"
    """It is there and does not work."""
    NOT_RUN = "not run"
    """It could not be tried, for the reason given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was looked at and what was found."""

    name: str
    health: Health
    detail: str
    cure: str = ""
    """One command or package, where something is to be done."""
