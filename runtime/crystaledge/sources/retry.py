"""How long to wait before a lost camera is tried again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random

from crystaledge.errors import UsageError

_MOST_DOUBLINGS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Exponential back-off with equal jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015).

    Raises:
        UsageError: attempts or settled_frames below 1, or not 0 < first_delay_s <= longest_delay_s.
    """

    attempts: int | None = 10
    """Tries after a loss before giving up; None tries for ever."""
    first_delay_s: float = 0.5
    longest_delay_s: float = 30.0
    settled_frames: int = 30
    """A connection that is lost before so many frames was no return: tries and delays go on where they were."""
    at_start: bool = False
    """Wait for a camera that is not there at the start as well; otherwise that is an error at once."""
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.attempts is not None and self.attempts < 1) or self.settled_frames < 1:
            msg = (
                "Retry needs at least 1 attempt, or None to try for ever, and at least 1 settled frame; "
                f"got {self.attempts} and {self.settled_frames}."
            )
            raise UsageError(msg)
        if not 0.0 < self.first_delay_s <= self.longest_delay_s:
            msg = (
                "Retry needs 0 < first_delay_s <= longest_delay_s; "
                f"got {self.first_delay_s} and {self.longest_delay_s} s."
            )
            raise UsageError(msg)

    def delays_s(self, name: str) -> Iterator[float]:
        """One delay for each attempt, in seconds: between half and all of `min(first * 2**n, longest)`.

        Args:
            name: of the camera; another one waits otherwise, so that cameras lost together do not all return at once.
        """
        random = Random(f"{self.seed}:{name}")
        for attempt in count() if self.attempts is None else range(self.attempts):
            whole_s = min(self.first_delay_s * 2.0 ** min(attempt, _MOST_DOUBLINGS), self.longest_delay_s)
            yield whole_s * random.uniform(0.5, 1.0)
