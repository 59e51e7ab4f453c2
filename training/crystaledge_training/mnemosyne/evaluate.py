"""Accuracy of a Mnemosyne on people it has never seen, for several numbers of observations."""

from __future__ import annotations

from dataclasses import dataclass

from crystaledge.errors import DataError
from crystaledge.identity.spec import IdentityDecision
from crystaledge.metrics.bootstrap import (
    Array,
    resample_people,
)
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.data.augment import degrade
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.evaluation.degraded_protocol import DegradedProtocol, degraded_rows, spoilt_views
from crystaledge_training.evaluation.templates import TemplateSet, draw_templates
from crystaledge_training.mnemosyne.embed import encode_frames
from crystaledge_training.mnemosyne.evaluate_accuracy import ObservationsResult, measure_accuracy
from crystaledge_training.mnemosyne.evaluate_stopping import StoppingResult, measure_stopping
from crystaledge_training.mnemosyne.evaluate_time import OrderSpread, VelocityRow, measure_order, measure_velocity
from crystaledge_training.mnemosyne.evaluate_uncertainty import UncertaintyResult, measure_uncertainty
from crystaledge_training.mnemosyne.step import CrystallizationNetwork

OBSERVATIONS = (1, 2, 3, 5, 8)
DEGRADED_OBSERVATIONS = (2, 3, 5, 8)
SEVERITIES = (3, 5)
UNCERTAINTY_SHARE = 0.4
"""Share of frames that are spoilt where the uncertainty is measured."""


@dataclass(frozen=True, slots=True)
class DegradedResult:
    """Templates in which some observations are bad or of somebody else."""

    protocol: DegradedProtocol
    accuracy: tuple[ObservationsResult, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A whole report."""

    people: int
    images: int
    resamples: int
    seed: int
    accuracy: tuple[ObservationsResult, ...]
    uncertainty: UncertaintyResult
    degraded: tuple[DegradedResult, ...]
    spoilt_share: float
    """Share of frames that were spoilt on purpose for the next."""
    spoilt_uncertainty: UncertaintyResult
    order: OrderSpread | None
    velocity: tuple[VelocityRow, ...]
    stopping: tuple[StoppingResult, ...]


def evaluate(
    network: CrystallizationNetwork,
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
    spoilt = encode_frames(network, degrade(store.pixels, UNCERTAINTY_SHARE, seed=seed), spec)
    draws = resample_people(len(store.names), resamples, seed=seed)
    templates = [draw_templates(store, n, seed=seed) for n in OBSERVATIONS]
    clean = [measure_accuracy(network, encoded, t, decision, draws, seed) for t in templates]
    return Evaluation(
        people=len(store.names),
        images=len(store.pixels),
        resamples=resamples,
        seed=seed,
        accuracy=tuple(r for r in clean if r is not None),
        uncertainty=measure_uncertainty(network, encoded, store, decision.score, draws, seed=seed),
        degraded=tuple(_degraded(network, store, spec, severity, decision, draws, seed) for severity in SEVERITIES),
        spoilt_share=UNCERTAINTY_SHARE,
        spoilt_uncertainty=measure_uncertainty(network, spoilt, store, decision.score, draws, seed=seed),
        order=measure_order(network, encoded, store, seed=seed),
        velocity=measure_velocity(network, encoded, store, seed=seed),
        stopping=measure_stopping(network, encoded, store, decision, draws, seed=seed),
    )


def _degraded(
    network: CrystallizationNetwork,
    store: FrameStore,
    spec: Preprocessing,
    severity: int,
    decision: IdentityDecision,
    draws: Array,
    seed: int,
) -> DegradedResult:
    protocol = DegradedProtocol(severity=severity)
    encoded = encode_frames(network, spoilt_views(store.pixels, severity, seed=seed), spec)
    found = []
    for observations in DEGRADED_OBSERVATIONS:
        clean = draw_templates(store, observations, seed=seed)
        rows = degraded_rows(clean, store.person, protocol, seed=seed)
        found.append(measure_accuracy(network, encoded, TemplateSet(rows, clean.person), decision, draws, seed))
    return DegradedResult(protocol, tuple(r for r in found if r is not None))
