"""The numbers that decide what is measured, the same for every network."""

from __future__ import annotations

from dataclasses import dataclass

from crystaledge.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Of one run of the measurement.

    Raises:
        UsageError: nothing would be measured.
    """

    observations: int = 5
    """Of each of two templates that are compared."""
    severities: tuple[int, ...] = (0, 3, 5)
    """Of the fixed degraded protocol; 0 is clean."""
    draws: int = 5
    """How often observations are drawn anew; figures are means over them."""
    false_match_rate: float = 1e-3
    resamples: int = 1000
    """Of people, for the 95 % intervals."""
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.draws, self.resamples, self.observations) < 1:
            msg = "Draws, resamples and observations are numbers above 0."
            raise UsageError(msg)
