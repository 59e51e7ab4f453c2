"""What time does to a Mnemosyne: order of frames, velocity over observations, and stopping rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.identity.decision import Decider, Verdict
from crystaledge.identity.spec import IdentityDecision, Stopping
from crystaledge.identity.stopping import Progress, StoppingRule, stopping_rule
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.evaluation.templates import draw_templates
from crystaledge_training.mnemosyne.embed import Encoded, crystallize
from crystaledge_training.mnemosyne.rollout import movement
from crystaledge_training.mnemosyne.scoring import Identities, identities_at
from crystaledge_training.mnemosyne.step import CrystallizationNetwork

_ORDERS = 20
_ORDER_FRAMES = 5
_LONGEST = 10
_ENROLMENT = 3
_PROBE = 5
_IMPOSTORS_PER_PROBE = 5


@dataclass(frozen=True, slots=True)
class OrderSpread:
    """How much the match score of the same frames depends on their order."""

    people: int
    frames: int
    orders: int
    cosine_std_mean: float
    """Standard deviation over orders of the cosine to the person's own template, mean over people."""
    cosine_std_p95: float
    cosine_range_mean: float
    """Largest less smallest, mean over people."""
    cosine_std_between_people: float
    """Standard deviation over people of the mean score, to compare with."""


@dataclass(frozen=True, slots=True)
class VelocityRow:
    """One observation number."""

    observation: int
    velocity_mean: float
    velocity_p10: float
    velocity_p90: float
    movement_mean: float
    """Measured root-mean-square change of the state: what the velocity predicts."""


@dataclass(frozen=True, slots=True)
class StoppingResult:
    """What a rule needs and what it costs, over sequences of at most five probe frames."""

    rule: str
    genuine: int
    impostors: int
    committed_genuine: float
    """Share of genuine sequences that committed before their frames ran out."""
    committed_impostors: float
    frames_genuine: float
    """Mean frames looked at; all of them where nothing was committed."""
    frames_impostors: float
    false_rejects: float
    """Share of genuine sequences judged DIFFERENT; undecided ones are judged at the operating point."""
    false_accepts: float


def measure_order(
    network: CrystallizationNetwork, encoded: Encoded, store: FrameStore, *, seed: int
) -> OrderSpread | None:
    """Scores of shuffled orders of five frames against a template of five others; None where nobody has ten."""
    people = np.flatnonzero(store.counts >= 2 * _ORDER_FRAMES)
    if not len(people):
        return None
    generator = np.random.default_rng((seed, 0x0DE2))
    scores = np.empty((len(people), _ORDERS))
    for row, person in enumerate(people.tolist()):
        shuffled = generator.permutation(store.rows_of(person))
        template, probe = shuffled[:_ORDER_FRAMES], shuffled[_ORDER_FRAMES : 2 * _ORDER_FRAMES]
        orders = np.stack([generator.permutation(probe) for _ in range(_ORDERS)])
        both = identities_at(crystallize(network, encoded, np.concatenate([template[None], orders])), -1)
        scores[row] = both.unit[1:] @ both.unit[0]
    spread = scores.std(axis=1)
    return OrderSpread(
        people=len(people),
        frames=_ORDER_FRAMES,
        orders=_ORDERS,
        cosine_std_mean=float(spread.mean()),
        cosine_std_p95=float(np.quantile(spread, 0.95)),
        cosine_range_mean=float(np.ptp(scores, axis=1).mean()),
        cosine_std_between_people=float(scores.mean(axis=1).std()),
    )


def measure_velocity(
    network: CrystallizationNetwork, encoded: Encoded, store: FrameStore, *, seed: int
) -> tuple[VelocityRow, ...]:
    """Velocity against observation number, over templates of as many frames as at least two people have, up to ten."""
    length = int(np.sort(store.counts)[-2:].min(initial=_LONGEST))
    templates = draw_templates(store, max(length, 1), seed=seed)
    trajectory = crystallize(network, encoded, templates.rows)
    moved = movement(trajectory.hidden).numpy()
    return tuple(
        VelocityRow(
            t + 1,
            float(velocity.mean()),
            float(np.quantile(velocity, 0.1)),
            float(np.quantile(velocity, 0.9)),
            float(moved[t].mean()),
        )
        for t, velocity in enumerate(trajectory.velocity.numpy())
    )


def measure_stopping(
    network: CrystallizationNetwork, encoded: Encoded, store: FrameStore, decision: IdentityDecision, *, seed: int
) -> tuple[StoppingResult, ...]:
    """Both stopping rules and "look at all frames", on genuine and impostor claims."""
    claims = list(_claims(network, encoded, store, decision, seed))
    if not claims:
        return ()
    rules = [(kind.value, stopping_rule(kind, decision.stopping)) for kind in Stopping]
    return tuple(_apply(name, rule, claims, decision) for name, rule in [*rules, ("all frames", None)])


@dataclass(frozen=True, slots=True)
class _Claim:
    """One probe sequence that claims to be one enrolled person."""

    same: bool
    scores: NDArray[np.float64]
    velocity: NDArray[np.float64]
    enrolled_with: int


def _claims(
    network: CrystallizationNetwork, encoded: Encoded, store: FrameStore, decision: IdentityDecision, seed: int
) -> Iterator[_Claim]:
    generator = np.random.default_rng((seed, 0x570F))
    people = np.flatnonzero(store.counts >= 2).tolist()
    enrolled: list[Identities] = []
    probes: list[tuple[list[Identities], NDArray[np.float64], int]] = []
    for person in people:
        shuffled = generator.permutation(store.rows_of(person))
        count = min(_ENROLMENT, len(shuffled) // 2)
        enrolled.append(identities_at(crystallize(network, encoded, shuffled[None, :count]), -1))
        trajectory = crystallize(network, encoded, shuffled[None, count : count + _PROBE])
        steps = [identities_at(trajectory, t) for t in range(len(trajectory.velocity))]
        probes.append((steps, trajectory.velocity[:, 0].numpy().astype(np.float64), count))
    for index, (steps, velocity, count) in enumerate(probes):
        others = generator.choice(
            np.delete(np.arange(len(people)), index), min(_IMPOSTORS_PER_PROBE, len(people) - 1), replace=False
        )
        for target in (index, *others.tolist()):
            scores = np.array([s.scores(decision.score, enrolled[target])[0, 0] for s in steps])
            yield _Claim(target == index, scores, velocity, count)


def _apply(name: str, rule: StoppingRule | None, claims: list[_Claim], decision: IdentityDecision) -> StoppingResult:
    outcomes = [_decide(rule, claim, decision) for claim in claims]
    same = np.array([c.same for c in claims])
    verdict_same = np.array([o[0] is Verdict.SAME for o in outcomes])
    frames = np.array([o[1] for o in outcomes], np.float64)
    committed = np.array([o[2] for o in outcomes], np.float64)
    return StoppingResult(
        rule=name,
        genuine=int(same.sum()),
        impostors=int((~same).sum()),
        committed_genuine=float(committed[same].mean()),
        committed_impostors=float(committed[~same].mean()),
        frames_genuine=float(frames[same].mean()),
        frames_impostors=float(frames[~same].mean()),
        false_rejects=float((~verdict_same[same]).mean()),
        false_accepts=float(verdict_same[~same].mean()),
    )


def _decide(rule: StoppingRule | None, claim: _Claim, decision: IdentityDecision) -> tuple[Verdict, int, bool]:
    decider, still, last = Decider(decision, false_accept_rate=_comparable_rate(decision)), 0, Verdict.DIFFERENT
    for t, (score, velocity) in enumerate(zip(claim.scores.tolist(), claim.velocity.tolist(), strict=True)):
        still = still + 1 if velocity < decision.stopping.velocity_threshold else 0
        match = decider.decide(score, min(t + 1, claim.enrolled_with))
        last = match.verdict
        if rule is not None:
            verdict = rule.verdict(Progress(observations=t + 1, still_frames=still, match=match))
            if verdict is not None:
                return verdict, t + 1, True
    return last, len(claim.scores), False


def _comparable_rate(decision: IdentityDecision) -> float:
    """The operating points' false-accept rate that is nearest to Wald's, so that the rules can be compared."""
    wanted = decision.stopping.false_accept_rate
    return min((p.false_accept_rate for p in decision.operating_points), key=lambda rate: abs(rate - wanted))
