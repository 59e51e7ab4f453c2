"""Accuracy of a Mnemosyne on people it has never seen, for several numbers of observations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from crystaledge.errors import DataError
from crystaledge.identity.spec import COSINE, IdentityDecision, Scoring
from crystaledge.metrics.bootstrap import (
    Array,
    Estimate,
    ScoredPairs,
    bootstrap_mean,
    bootstrap_verification,
    estimate,
    resample_people,
)
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.data.augment import degrade
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.evaluation.retrieval import retrieval_per_person
from crystaledge_training.evaluation.templates import Pairs, all_pairs, draw_templates, thin_impostors
from crystaledge_training.mnemosyne.embed import Encoded, encode_frames
from crystaledge_training.mnemosyne.evaluate_time import (
    OrderSpread,
    StoppingResult,
    VelocityRow,
    measure_order,
    measure_stopping,
    measure_velocity,
)
from crystaledge_training.mnemosyne.evaluate_uncertainty import UncertaintyResult, measure_uncertainty
from crystaledge_training.mnemosyne.fusion import CRYSTALLIZED, METHODS
from crystaledge_training.mnemosyne.network import Mnemosyne
from crystaledge_training.mnemosyne.scoring import Identities

OBSERVATIONS = (1, 2, 3, 5)
DEGRADED_OBSERVATIONS = (3, 5)
DEGRADED_SHARE = 0.4


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


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A whole report."""

    people: int
    images: int
    resamples: int
    seed: int
    accuracy: tuple[ObservationsResult, ...]
    uncertainty: UncertaintyResult
    degraded_share: float
    """Share of frames that were spoilt on purpose for the next two."""
    degraded_accuracy: tuple[ObservationsResult, ...]
    degraded_uncertainty: UncertaintyResult
    order: OrderSpread | None
    velocity: tuple[VelocityRow, ...]
    stopping: tuple[StoppingResult, ...]


def evaluate(
    network: Mnemosyne,
    store: FrameStore,
    spec: Preprocessing,
    decision: IdentityDecision,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Measure a network on people that neither training nor calibration has seen.

    Raises:
        DataError: fewer than two people have two images.
    """
    if int((store.counts >= 2).sum()) < 2:
        msg = "Evaluation needs at least 2 identities with two or more images; a genuine pair takes two images."
        raise DataError(msg)
    encoded = encode_frames(network, store.pixels, spec)
    degraded = encode_frames(network, degrade(store.pixels, DEGRADED_SHARE, seed=seed), spec)
    draws = resample_people(len(store.names), resamples, seed=seed)

    def accuracy(frames: Encoded, counts: tuple[int, ...]) -> tuple[ObservationsResult, ...]:
        results = [_at(network, frames, store, decision, draws, n, seed) for n in counts]
        return tuple(r for r in results if r is not None)

    return Evaluation(
        people=len(store.names),
        images=len(store.pixels),
        resamples=resamples,
        seed=seed,
        accuracy=accuracy(encoded, OBSERVATIONS),
        uncertainty=measure_uncertainty(network, encoded, store, decision.score, draws, seed=seed),
        degraded_share=DEGRADED_SHARE,
        degraded_accuracy=accuracy(degraded, DEGRADED_OBSERVATIONS),
        degraded_uncertainty=measure_uncertainty(network, degraded, store, decision.score, draws, seed=seed),
        order=measure_order(network, encoded, store, seed=seed),
        velocity=measure_velocity(network, encoded, store, seed=seed),
        stopping=measure_stopping(network, encoded, store, decision, seed=seed),
    )


def pair_scores(identities: Identities, scoring: Scoring, pairs: Pairs) -> Array:
    """Scores `(P,)` of pairs of templates."""
    return identities.scores(scoring, identities)[pairs.first, pairs.second]


def _at(
    network: Mnemosyne,
    encoded: Encoded,
    store: FrameStore,
    decision: IdentityDecision,
    draws: Array,
    observations: int,
    seed: int,
) -> ObservationsResult | None:
    """None where nobody has two templates."""
    templates = draw_templates(store, observations, seed=seed)
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
