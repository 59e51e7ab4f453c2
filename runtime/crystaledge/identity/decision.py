"""From a match score to a verdict that says which error rate it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from crystaledge.errors import UsageError
from crystaledge.identity.spec import IdentityDecision, LikelihoodFit, OperatingPoint

Row = TypeVar("Row", OperatingPoint, LikelihoodFit)


class Verdict(Enum):
    """What was decided about a claimed or best match."""

    SAME = "same"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class MatchDecision:
    """A verdict with the operating point it was taken at."""

    verdict: Verdict
    score: float
    llr: float
    """Log-likelihood ratio of same against different person that the score stands for."""
    point: OperatingPoint


class Decider:
    """Applies the thresholds and likelihood fits of a manifest."""

    def __init__(self, spec: IdentityDecision, *, false_accept_rate: float | None = None) -> None:
        rates = sorted({p.false_accept_rate for p in spec.operating_points})
        self.false_accept_rate = strictest_everywhere(spec) if false_accept_rate is None else false_accept_rate
        if self.false_accept_rate not in rates:
            msg = (
                f"There is no operating point for a false-accept rate of {self.false_accept_rate:g}; "
                f"this bundle has {', '.join(f'{r:g}' for r in rates)}."
            )
            raise UsageError(msg)
        chosen = [p for p in spec.operating_points if p.false_accept_rate == self.false_accept_rate]
        self._points = sorted(chosen, key=lambda p: p.observations)
        self._fits = sorted(spec.likelihood, key=lambda f: f.observations)

    def decide(self, score: float, observations: int) -> MatchDecision:
        """Judge a score between two identities, the lesser of which has so many observations.

        The thresholds of the largest calibrated number of observations that is not above
        `observations` are used, or those of the smallest one.
        """
        point = _for_observations(self._points, observations)
        verdict = Verdict.SAME if score >= point.threshold else Verdict.DIFFERENT
        return MatchDecision(verdict, score, self.llr(score, observations), point)

    def llr(self, score: float, observations: int) -> float:
        """Log-likelihood ratio that a score stands for after so many observations."""
        fit = _for_observations(self._fits, observations)
        return fit.slope * score + fit.intercept


def strictest_everywhere(spec: IdentityDecision) -> float:
    """The lowest rate that was calibrated for every number of observations; the highest rate where none was."""
    counts = {p.observations for p in spec.operating_points}
    rates: dict[float, set[int]] = {}
    for point in spec.operating_points:
        rates.setdefault(point.false_accept_rate, set()).add(point.observations)
    return min((rate for rate, found in rates.items() if found == counts), default=max(rates))


def _for_observations(rows: list[Row], observations: int) -> Row:
    fitting = [row for row in rows if row.observations <= observations]
    return fitting[-1] if fitting else rows[0]
