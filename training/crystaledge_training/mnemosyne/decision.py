"""Chooses thresholds, likelihood fits and stopping parameters on validation people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from crystaledge.errors import DataError
from crystaledge.identity.spec import (
    IdentityDecision,
    LikelihoodFit,
    OperatingPoint,
    Scoring,
    StoppingRules,
)
from crystaledge.identity.stopping import wald_thresholds
from crystaledge.metrics.verification import roc_curve, tar_at_far, threshold_at_far
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.evaluation.templates import all_pairs, draw_templates
from crystaledge_training.mnemosyne.embed import Encoded, crystallize, encode_frames
from crystaledge_training.mnemosyne.scoring import identities_at
from crystaledge_training.mnemosyne.step import CrystallizationNetwork

OBSERVATIONS = (1, 2, 3, 5)
FALSE_ACCEPT_RATES = (1e-1, 1e-2, 1e-3)
_IMPOSTORS_PER_ERROR = 10
"""A threshold for a false-accept rate needs at least so many impostor pairs above it."""
_STOPPING_RATES = (0.01, 0.05)
"""Wald's (false accept, false reject)."""
_STILL_FRAMES = 2
_VELOCITY_QUANTILE = 0.5
_VELOCITY_STEP = 3

Array = NDArray[np.float64]


def require_calibration(validation: FrameStore, *, seed: int) -> None:
    """Refuse validation people who cannot give a single operating point, before a training and not after it.

    Raises:
        DataError: too few genuine or impostor pairs of single frames.
    """
    pairs = all_pairs(draw_templates(validation, 1, seed=seed))
    impostors = int((~pairs.same).sum())
    if not pairs.same.any() or impostors * max(FALSE_ACCEPT_RATES) < _IMPOSTORS_PER_ERROR:
        msg = (
            f"The {len(validation.names)} validation people make {int(pairs.same.sum())} genuine and {impostors} "
            f"impostor pairs; thresholds take at least 1 and {_IMPOSTORS_PER_ERROR / max(FALSE_ACCEPT_RATES):.0f}. "
            "Add people."
        )
        raise DataError(msg)


def calibrate_decision(
    network: CrystallizationNetwork, validation: FrameStore, spec: Preprocessing, scoring: Scoring, *, seed: int
) -> IdentityDecision:
    """Decision parameters from people who were neither trained nor will be tested on.

    Operating points: for N observations on each side, the lowest threshold whose false-accept rate
    is not above the wanted one, where enough impostor pairs exist to know. Likelihood fits: a
    logistic regression of "same person" on the score of the same pairs, less the prior log-odds.

    Raises:
        DataError: no genuine or no impostor pair of single frames.
    """
    encoded = encode_frames(network, validation.pixels, spec)
    points: list[OperatingPoint] = []
    fits: list[LikelihoodFit] = []
    for observations in OBSERVATIONS:
        scores, same = _pair_scores(network, encoded, validation, scoring, observations, seed)
        if not same.any() or same.all():
            continue
        points += _operating_points(scores, same, observations)
        fits.append(_likelihood_fit(scores, same, observations))
    if not points:
        msg = "Validation people give no operating point; more people with two or more images are needed."
        raise DataError(msg)
    return IdentityDecision(
        score=scoring,
        dimensions=network.config.hidden,
        operating_points=tuple(points),
        likelihood=tuple(fits),
        stopping=_stopping_rules(network, encoded, validation, seed),
        calibrated_on=f"{len(validation.names)} validation people, {len(validation.pixels)} images, disjoint from "
        "those trained on and from any test list",
    )


def _pair_scores(
    network: CrystallizationNetwork, encoded: Encoded, store: FrameStore, scoring: Scoring, observations: int, seed: int
) -> tuple[Array, NDArray[np.bool_]]:
    templates = draw_templates(store, observations, seed=seed)
    pairs = all_pairs(templates)
    if not len(pairs.same):
        return np.empty(0), pairs.same
    identities = identities_at(crystallize(network, encoded, templates.rows), -1)
    scores = identities.scores(scoring, identities)
    return scores[pairs.first, pairs.second], pairs.same


def _operating_points(scores: Array, same: NDArray[np.bool_], observations: int) -> list[OperatingPoint]:
    roc = roc_curve(scores, same)
    impostors = int((~same).sum())
    known = [rate for rate in FALSE_ACCEPT_RATES if impostors * rate >= _IMPOSTORS_PER_ERROR]
    return [
        OperatingPoint(
            observations=observations,
            false_accept_rate=rate,
            threshold=threshold_at_far(roc, rate),
            true_accept_rate=tar_at_far(roc, rate),
        )
        for rate in known
        if np.isfinite(threshold_at_far(roc, rate))  # all scores equal: no threshold gives the rate
    ]


def _likelihood_fit(scores: Array, same: NDArray[np.bool_], observations: int) -> LikelihoodFit:
    model = LogisticRegression(class_weight="balanced").fit(scores[:, None], same)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope <= 0.0:  # scores that rank the wrong way round are no evidence either way
        return LikelihoodFit(observations=observations, slope=0.0, intercept=0.0)
    # Balanced weights are equal priors, so the log-odds are the log-likelihood ratio.
    return LikelihoodFit(observations=observations, slope=slope, intercept=intercept)


def _stopping_rules(network: CrystallizationNetwork, encoded: Encoded, store: FrameStore, seed: int) -> StoppingRules:
    false_accept, false_reject = _STOPPING_RATES
    reject, accept = wald_thresholds(false_accept, false_reject)
    return StoppingRules(
        false_accept_rate=false_accept,
        false_reject_rate=false_reject,
        accept_llr=accept,
        reject_llr=reject,
        velocity_threshold=_velocity_threshold(network, encoded, store, seed),
        velocity_frames=_STILL_FRAMES,
    )


def _velocity_threshold(network: CrystallizationNetwork, encoded: Encoded, store: FrameStore, seed: int) -> float:
    """Median velocity at the third observation (or the last there is) of validation people."""
    for observations in range(_VELOCITY_STEP, 0, -1):
        templates = draw_templates(store, observations, seed=seed)
        if len(templates.person):
            velocity = crystallize(network, encoded, templates.rows).velocity[-1].numpy()
            return float(np.quantile(velocity, _VELOCITY_QUANTILE))
    return 0.1
