"""Verification and retrieval of templates of N observations, method by method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from crystaledge.identity.spec import COSINE, IdentityDecision, Scoring
from crystaledge.metrics.bootstrap import (
    Array,
    Estimate,
    ScoredPairs,
    bootstrap_mean,
    bootstrap_verification,
    estimate,
)
from crystaledge_training.evaluation.retrieval import retrieval_per_person
from crystaledge_training.evaluation.templates import Pairs, TemplateSet, all_pairs, thin_impostors
from crystaledge_training.mnemosyne.embed import Encoded
from crystaledge_training.mnemosyne.fusion import CRYSTALLIZED, METHODS
from crystaledge_training.mnemosyne.scoring import Identities
from crystaledge_training.mnemosyne.step import CrystallizationNetwork


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One way of fusing N observations."""

    method: str
    metrics: dict[str, Estimate]
    auc_gain: Estimate
    """AUC of crystallization less that of this method, on the same resamples."""


@dataclass(frozen=True, slots=True)
class RealisedPoint:
    """A threshold chosen on validation people, applied to these."""

    observations: int
    wanted_far: float
    threshold: float
    far: float
    tar: float


@dataclass(frozen=True, slots=True)
class ObservationsResult:
    """Everything about one number of observations."""

    observations: int
    people: int
    """People with at least one template."""
    genuine_people: int
    """People with at least two, so with a genuine pair."""
    templates: int
    genuine_pairs: int
    impostor_pairs: int
    methods: tuple[MethodResult, ...]
    realised: tuple[RealisedPoint, ...]


def pair_scores(identities: Identities, scoring: Scoring, pairs: Pairs) -> Array:
    """Scores `(P,)` of pairs of templates."""
    return identities.scores(scoring, identities)[pairs.first, pairs.second]


def measure_accuracy(
    network: CrystallizationNetwork,
    encoded: Encoded,
    templates: TemplateSet,
    decision: IdentityDecision,
    draws: Array,
    seed: int,
) -> ObservationsResult | None:
    """Every method on the same templates; None where nobody has two of them."""
    observations = templates.rows.shape[1]
    pairs = thin_impostors(all_pairs(templates), seed=seed)
    if not pairs.same.any() or pairs.same.all():
        return None
    person = templates.person
    samples_of: dict[str, Array] = {}
    values_of: dict[str, dict[str, float]] = {}
    metrics_of: dict[str, dict[str, Estimate]] = {}
    realised: tuple[RealisedPoint, ...] = ()
    for name, fuse in tqdm(METHODS.items(), desc=f"N = {observations}", leave=False, disable=None):
        identities = fuse(network, encoded, templates.rows)
        scores = pair_scores(identities, decision.score if name == CRYSTALLIZED else COSINE, pairs)
        scored = ScoredPairs(scores, pairs.same, person[pairs.first], person[pairs.second])
        values, samples = bootstrap_verification(scored, draws)
        retrieved, present = retrieval_per_person(identities.unit, person)
        metrics_of[name] = {k: estimate(values[k], samples[k]) for k in values} | {
            k: bootstrap_mean(v, present, draws) for k, v in retrieved.items()
        }
        values_of[name], samples_of[name] = values, samples["auc"]
        if name == CRYSTALLIZED:
            realised = _realise(decision, scores, pairs.same, observations)
    gain = {
        name: estimate(values_of[CRYSTALLIZED]["auc"] - values_of[name]["auc"], samples_of[CRYSTALLIZED] - samples)
        for name, samples in samples_of.items()
    }
    return ObservationsResult(
        observations=observations,
        people=len(np.unique(person)),
        genuine_people=len(np.unique(person[pairs.first[pairs.same]])),
        templates=len(person),
        genuine_pairs=int(pairs.same.sum()),
        impostor_pairs=int((~pairs.same).sum()),
        methods=tuple(MethodResult(name, metrics_of[name], gain[name]) for name in METHODS),
        realised=realised,
    )


def _realise(
    decision: IdentityDecision, scores: Array, same: NDArray[np.bool_], observations: int
) -> tuple[RealisedPoint, ...]:
    return tuple(
        RealisedPoint(
            observations,
            point.false_accept_rate,
            point.threshold,
            float((scores[~same] >= point.threshold).mean()),
            float((scores[same] >= point.threshold).mean()),
        )
        for point in decision.operating_points
        if point.observations == observations
    )
