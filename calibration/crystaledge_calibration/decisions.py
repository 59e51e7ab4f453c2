"""Do the float graph and the deployed one decide alike? Matches, verdicts and commit frames, as the host takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.identity.decision import Decider, MatchDecision, Verdict
from crystaledge.identity.matching import match_scores, unit_rows
from crystaledge.identity.spec import IdentityDecision, Stopping
from crystaledge.identity.stopping import Progress, StoppingRule, stopping_rule

Array = NDArray[np.float32]
Float64 = NDArray[np.float64]
NEVER = 0
"""Commit frame of a sequence that does not commit."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The people of a gallery as one graph sees them."""

    identities: Float64
    """Unit rows `(G, D)`."""
    log_variance: Float64
    """`(G,)`."""
    observations: int


@dataclass(frozen=True, slots=True)
class StepDecisions:
    """What the host would say of a batch at one step."""

    scores: Float64
    """`(B, G)`: every probe against every enrolled person."""
    best: NDArray[np.int64]
    """`(B,)`: index of the best match."""
    accepted: NDArray[np.bool_]
    """`(B, G)`: verdicts at the operating point."""


def enrolled(hidden: Array, log_variance: Array, observations: int) -> Enrolled:
    """A gallery from final states `(G, D)` and log-variances `(G, 1)`."""
    finite = np.nan_to_num(hidden, posinf=0.0, neginf=0.0)
    return Enrolled(unit_rows(finite), np.nan_to_num(log_variance[:, 0].astype(np.float64)), observations)


class HostDecisions:
    """Takes a batch's decisions step after step, as a pipeline on a device does."""

    def __init__(self, decision: IdentityDecision, gallery: Enrolled, batch: int) -> None:
        self._decision, self._gallery = decision, gallery
        self._decider = Decider(decision)
        self._rule: StoppingRule = stopping_rule(Stopping.SPRT, decision.stopping)
        self._step = 0
        self.commit_frame: NDArray[np.int64] = np.full(batch, NEVER, np.int64)

    @property
    def false_accept_rate(self) -> float:
        """Of the operating point."""
        return self._decider.false_accept_rate

    def advance(self, hidden: Array, log_variance: Array) -> StepDecisions:
        """Decide on the states `(B, D)` after one more observation."""
        self._step += 1
        gallery = self._gallery
        # A damaged graph may give NaN: such a state matches nobody, and the difference is counted, not raised.
        identities = unit_rows(np.nan_to_num(hidden, posinf=0.0, neginf=0.0))
        variances = np.nan_to_num(log_variance[:, 0].astype(np.float64))
        scores = match_scores(self._decision.score, identities, variances, gallery.identities, gallery.log_variance)
        best = scores.argmax(axis=1)
        observations = min(self._step, gallery.observations)
        threshold = self._decider.decide(0.0, observations).point.threshold
        self._commit(scores, best, observations)
        return StepDecisions(scores, best, scores >= threshold)

    def _commit(self, scores: Float64, best: NDArray[np.int64], observations: int) -> None:
        for row in np.flatnonzero(self.commit_frame == NEVER):
            match: MatchDecision = self._decider.decide(float(scores[row, best[row]]), observations)
            progress = Progress(observations=self._step, still_frames=0, match=match, compared=scores.shape[1])
            verdict: Verdict | None = self._rule.verdict(progress)
            if verdict is not None:
                self.commit_frame[row] = self._step


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often two graphs decided alike over all checked steps, and the scores they decided by."""

    same_match: float
    same_verdict: float
    same_commit: float
    committed: float
    most_frames_apart: int
    scores: Mapping[int, tuple[Float64, Float64]]
    """By checked step: (float, deployed) scores `(S, G)`."""


class AgreementCounter:
    """Collects the decisions of two graphs, batch after batch."""

    def __init__(self, horizon: int) -> None:
        self._horizon = horizon
        self._match: list[NDArray[np.bool_]] = []
        self._verdict: list[NDArray[np.bool_]] = []
        self._commits: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._scores: dict[int, list[tuple[Float64, Float64]]] = {}

    def add_step(self, step: int, reference: StepDecisions, deployed: StepDecisions) -> None:
        """Take in one checked step."""
        self._match.append(reference.best == deployed.best)
        self._verdict.append((reference.accepted == deployed.accepted).ravel())
        self._scores.setdefault(step, []).append((reference.scores, deployed.scores))

    def add_commits(self, reference: NDArray[np.int64], deployed: NDArray[np.int64]) -> None:
        """Take in the commit frames of a batch."""
        self._commits.append((reference, deployed))

    def result(self) -> Agreement:
        """All that was collected."""
        a = np.concatenate([pair[0] for pair in self._commits])
        b = np.concatenate([pair[1] for pair in self._commits])
        apart = np.where((a == NEVER) != (b == NEVER), self._horizon, np.abs(a - b))
        return Agreement(
            same_match=float(np.concatenate(self._match).mean()),
            same_verdict=float(np.concatenate(self._verdict).mean()),
            same_commit=float((a == b).mean()),
            committed=float((a != NEVER).mean()),
            most_frames_apart=int(apart.max()),
            scores={
                step: (np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs]))
                for step, pairs in self._scores.items()
            },
        )
