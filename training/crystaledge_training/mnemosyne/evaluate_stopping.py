"""What stopping rules need and what they cost: looks, and errors that are promised against those that are measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.identity.decision import Decider, Verdict
from crystaledge.identity.spec import IdentityDecision, Stopping
from crystaledge.identity.stopping import Progress, StoppingRule, stopping_rule
from crystaledge.metrics.bootstrap import Array, Estimate, estimate
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.mnemosyne.embed import Encoded
from crystaledge_training.mnemosyne.step import CrystallizationNetwork
from crystaledge_training.mnemosyne.stopping_claims import ENROLMENT, LONGEST, Claim, draw_claims

DRAWS = 3
"""Of enrolments and probes; their claims are pooled."""
ALL_LOOKS = "all frames"
_RULES = (Stopping.SPRT, Stopping.VELOCITY)
"""The truncated test is Wald's on probes this short: it ends later than they do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingResult:
    """One rule, over probes of five looks; intervals from a bootstrap over people."""

    rule: str
    people: int
    genuine: int
    """Claims, of all draws."""
    impostors: int
    committed_genuine: float
    """Share of genuine claims that were committed before their looks ran out."""
    committed_impostors: float
    looks_genuine: Estimate
    """Mean; all of them where nothing was committed."""
    looks_impostors: Estimate
    saved_genuine: Estimate
    """Share of all looks that was not needed."""
    saved_impostors: Estimate
    promised_false_rejects: float | None
    """Wald's beta; None for a rule that promises none."""
    promised_false_accepts: float
    """Wald's alpha, or the rate of the operating point that is nearest to it."""
    false_rejects: Estimate
    """Share of genuine claims judged DIFFERENT; undecided ones are judged at the operating point."""
    false_accepts: Estimate
    more_false_rejects: Estimate
    """Than by all looks at the same claims."""
    more_false_accepts: Estimate


def measure_stopping(
    network: CrystallizationNetwork,
    encoded: Encoded,
    store: FrameStore,
    decision: IdentityDecision,
    draws: Array,
    *,
    seed: int,
) -> tuple[StoppingResult, ...]:
    """Wald's test, the settled state, and all looks, on the same claims; empty where not two people have ten images.

    Args:
        draws: `(resamples, people)`; see `crystaledge.metrics.bootstrap.resample_people`.
    """
    claims = [
        claim
        for draw in range(DRAWS)
        for claim in draw_claims(network, encoded, store, decision.score, seed=(seed, draw))
    ]
    if not claims:
        return ()
    judge = Decider(decision, false_accept_rate=_comparable_rate(decision))
    rules: list[StoppingRule | None] = [stopping_rule(kind, decision.stopping) for kind in _RULES]
    outcomes = {
        ALL_LOOKS if rule is None else rule.kind.value: np.array([_decide(rule, c, decision, judge) for c in claims])
        for rule in [*rules, None]
    }
    pooled = _Pooled(np.array([c.probe for c in claims]), np.array([c.target for c in claims]), draws)
    return tuple(_result(name, own, outcomes[ALL_LOOKS], pooled, decision) for name, own in outcomes.items())


@dataclass(frozen=True, slots=True)
class _Pooled:
    """Who meets whom in each claim, and how often each person is drawn in each resample."""

    probe: NDArray[np.int64]
    target: NDArray[np.int64]
    draws: Array

    @property
    def same(self) -> NDArray[np.bool_]:
        return np.asarray(self.probe == self.target)

    def means(self, values: Array, chosen: NDArray[np.bool_]) -> list[Estimate]:
        """Of each column of `values`, `(claims, columns)`, over the chosen claims.

        A genuine claim weighs as often as its person was drawn, an impostor's as the product of both counts.
        """
        probe, target, kept = self.probe[chosen], self.target[chosen], values[chosen]
        samples = np.full((len(self.draws), kept.shape[1]), np.nan)
        for row, counts in enumerate(self.draws):
            weights = np.where(probe == target, counts[probe], counts[probe] * counts[target])
            if weights.any():
                samples[row] = weights @ kept / weights.sum()
        return [estimate(float(column.mean()), sample) for column, sample in zip(kept.T, samples.T, strict=True)]


def _decide(
    rule: StoppingRule | None, claim: Claim, decision: IdentityDecision, judge: Decider
) -> tuple[bool, int, bool]:
    """(judged the same, looks, committed before they ran out)."""
    still, verdict = 0, Verdict.DIFFERENT
    for look, (score, velocity) in enumerate(zip(claim.scores.tolist(), claim.velocity.tolist(), strict=True), 1):
        still = still + 1 if velocity < decision.stopping.velocity_threshold else 0
        match = judge.decide(score, min(look, ENROLMENT))
        verdict = match.verdict
        decided = None if rule is None else rule.verdict(Progress(observations=look, still_frames=still, match=match))
        if decided is not None:
            return decided is Verdict.SAME, look, True
    return verdict is Verdict.SAME, LONGEST, False


def _result(name: str, own: Array, every: Array, pooled: _Pooled, decision: IdentityDecision) -> StoppingResult:
    """Args: own, every: `(claims, 3)` as `_decide` gives them, by this rule and by all looks."""
    accepted, looks, committed = own.T.astype(np.float64)
    more = accepted - every[:, 0]
    columns = np.stack([looks, 1.0 - looks / LONGEST, accepted, 1.0 - accepted, more, -more], axis=1)
    genuine = pooled.means(columns, pooled.same)
    impostors = pooled.means(columns, ~pooled.same)
    wald = name == Stopping.SPRT.value
    return StoppingResult(
        rule=name,
        people=len(set(pooled.probe.tolist())),
        genuine=int(pooled.same.sum()),
        impostors=int((~pooled.same).sum()),
        committed_genuine=float(committed[pooled.same].mean()),
        committed_impostors=float(committed[~pooled.same].mean()),
        looks_genuine=genuine[0],
        looks_impostors=impostors[0],
        saved_genuine=genuine[1],
        saved_impostors=impostors[1],
        promised_false_rejects=decision.stopping.false_reject_rate if wald else None,
        promised_false_accepts=decision.stopping.false_accept_rate if wald else _comparable_rate(decision),
        false_rejects=genuine[3],
        false_accepts=impostors[2],
        more_false_rejects=genuine[5],
        more_false_accepts=impostors[4],
    )


def _comparable_rate(decision: IdentityDecision) -> float:
    """The operating points' false-accept rate that is nearest to Wald's, so that the rules can be compared."""
    wanted = decision.stopping.false_accept_rate
    return min((p.false_accept_rate for p in decision.operating_points), key=lambda rate: abs(rate - wanted))
