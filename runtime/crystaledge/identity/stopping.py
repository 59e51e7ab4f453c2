"""When an identity is committed: Wald's sequential test, or a state that has stopped moving."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from crystaledge.identity.decision import MatchDecision, Verdict
from crystaledge.identity.spec import Stopping, StoppingRules

LONGEST_TEST = 20
"""Observations after which a truncated test ends."""


def wald_thresholds(false_accept_rate: float, false_reject_rate: float) -> tuple[float, float]:
    """(reject below, accept above) on the log-likelihood ratio: ln(b / (1 - a)), ln((1 - b) / a).

    Wald, Sequential Tests of Statistical Hypotheses, 1945. The rates are exact for independent
    observations; those of one person in one film are not, so what they give is measured, not assumed.
    """
    accept = math.log((1.0 - false_reject_rate) / false_accept_rate)
    reject = math.log(false_reject_rate / (1.0 - false_accept_rate))
    return reject, accept


def chance_llr(compared: int) -> float:
    """What a match must outweigh for having been picked among N: ln N. A stranger has N chances to look like somebody.

    Bonferroni's inequality keeps Wald's rate of false accepts for the search as a whole then, not for each comparison.
    """
    return math.log(max(compared, 1))


def is_chance(llr: float, false_accept_rate: float, compared: int, *, allowed: float) -> bool:
    """Whether an accepted match among so many may well be chance, the operating point's rate being of one comparison.

    It is not where all comparisons together go wrong as rarely as allowed, or where the evidence outweighs the number;
    nor of a single claim, which the operating point is made for.
    """
    return compared > 1 and false_accept_rate * compared > allowed * (1 + 1e-9) and llr < chance_llr(compared)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a stopping rule looks at after one observation."""

    observations: int
    still_frames: int
    """Consecutive observations, up to this one, with a velocity below the threshold."""
    match: MatchDecision | None
    """The best match; None where nobody is enrolled."""
    compared: int = 1
    """People among whom it is the best: 1 for a claim, the whole gallery for a search."""


class StoppingRule(ABC):
    """Says after each observation whether the identity is committed, and to what."""

    kind: Stopping

    @abstractmethod
    def verdict(self, progress: Progress) -> Verdict | None:
        """The committed verdict on the best match, or None to go on looking."""


class SequentialTest(StoppingRule):
    """Wald's test on the match score, of the best match where several people are enrolled; see `chance_llr`."""

    kind = Stopping.SPRT

    def __init__(self, rules: StoppingRules) -> None:
        self._rules = rules

    def verdict(self, progress: Progress) -> Verdict | None:
        """SAME or DIFFERENT once the likelihood ratio leaves Wald's interval."""
        if progress.match is None:
            return None
        if progress.match.llr >= self._rules.accept_llr + chance_llr(progress.compared):
            return Verdict.SAME
        return Verdict.DIFFERENT if progress.match.llr <= self._rules.reject_llr else None


class TruncatedTest(SequentialTest):
    """Wald's test with an end (Wald, Sequential Analysis, 1947, section 3.8).

    Frames of one film say nearly the same, so that the likelihood ratio of a face may settle inside of Wald's interval
    for good; at the end the verdict is that of the operating point, with its error rate, unless chance alone among so
    many people is the likelier reason for the match.
    """

    kind = Stopping.TRUNCATED

    def verdict(self, progress: Progress) -> Verdict | None:
        """As the sequential test; at the end the operating point's verdict, DIFFERENT where nobody is enrolled."""
        decided = super().verdict(progress)
        if decided is not None or progress.observations < LONGEST_TEST:
            return decided
        return _at_operating_point(progress, self._rules)


class SettledState(StoppingRule):
    """Commits when the velocity has stayed below its threshold, to the verdict at the operating point."""

    kind = Stopping.VELOCITY

    def __init__(self, rules: StoppingRules) -> None:
        self._rules = rules

    def verdict(self, progress: Progress) -> Verdict | None:
        """The operating point's verdict once the state is still; DIFFERENT where nobody is enrolled, or by chance."""
        if progress.still_frames < self._rules.velocity_frames:
            return None
        return _at_operating_point(progress, self._rules)


def _at_operating_point(progress: Progress, rules: StoppingRules) -> Verdict:
    """Its verdict, unless nobody is enrolled or chance explains the match; see `is_chance`."""
    match = progress.match
    if match is None:
        return Verdict.DIFFERENT
    rate, allowed = match.point.false_accept_rate, rules.false_accept_rate
    by_chance = is_chance(match.llr, rate, progress.compared, allowed=allowed)
    return Verdict.DIFFERENT if by_chance else match.verdict


def stopping_rule(kind: Stopping, rules: StoppingRules) -> StoppingRule:
    """The rule of that kind."""
    made: dict[Stopping, type[SequentialTest] | type[SettledState]] = {
        Stopping.SPRT: SequentialTest,
        Stopping.TRUNCATED: TruncatedTest,
        Stopping.VELOCITY: SettledState,
    }
    return made[kind](rules)
