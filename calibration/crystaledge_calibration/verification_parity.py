"""What quantization costs in verification: AUC and EER of both graphs on the same pairs, with paired intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.metrics.bootstrap import ScoredPairs, bootstrap_verification, estimate, resample_people
from crystaledge.metrics.verification import Roc, auc, roc_curve
from crystaledge_calibration.records import Interval, Numbers

Float64 = NDArray[np.float64]
RESAMPLES = 200
_DET_POINTS = 120


@dataclass(frozen=True, slots=True)
class VerificationParity:
    """Both graphs at the step where the area under the curve falls most."""

    step: int
    auc_float: float
    auc_deployed: float
    auc_loss: Interval
    eer_float: float
    eer_deployed: float
    eer_rise: Interval
    det_float: tuple[Numbers, Numbers]
    det_deployed: tuple[Numbers, Numbers]


def compare_verification(scores: Mapping[int, tuple[Float64, Float64]], *, seed: int = 0) -> VerificationParity:
    """Compare at the worst of the checked steps.

    Args:
        scores: by step, (float, deployed) scores `(S, S)`; sequence i and enrolled person i are the same.
    """
    losses = {step: _auc_of(a) - _auc_of(b) for step, (a, b) in scores.items()}
    step = max(losses, key=lambda s: losses[s])
    reference, deployed = (_pairs(side) for side in scores[step])
    draws = resample_people(len(scores[step][0]), RESAMPLES, seed=seed)
    values_a, samples_a = bootstrap_verification(reference, draws)
    values_b, samples_b = bootstrap_verification(deployed, draws)
    return VerificationParity(
        step=step,
        auc_float=values_a["auc"],
        auc_deployed=values_b["auc"],
        auc_loss=_interval(values_a["auc"] - values_b["auc"], samples_a["auc"] - samples_b["auc"]),
        eer_float=values_a["eer"],
        eer_deployed=values_b["eer"],
        eer_rise=_interval(values_b["eer"] - values_a["eer"], samples_b["eer"] - samples_a["eer"]),
        det_float=_det(reference),
        det_deployed=_det(deployed),
    )


def _pairs(scores: Float64) -> ScoredPairs:
    first, second = np.indices(scores.shape)
    return ScoredPairs(scores.ravel(), (first == second).ravel(), first.ravel(), second.ravel())


def _auc_of(scores: Float64) -> float:
    return auc(_roc(_pairs(scores)))


def _roc(pairs: ScoredPairs) -> Roc:
    return roc_curve(pairs.scores, pairs.same)


def _interval(value: float, samples: Float64) -> Interval:
    found = estimate(value, samples)
    if np.isnan(found.low):  # too few sequences to resample
        return Interval(value=value, low=value, high=value)
    return Interval(value=value, low=found.low, high=found.high)


def _det(pairs: ScoredPairs) -> tuple[Numbers, Numbers]:
    """(false-accept rates, false-reject rates), thinned evenly along the curve."""
    roc = _roc(pairs)
    places = np.unique(np.linspace(0, len(roc.threshold) - 1, _DET_POINTS).astype(np.int64))
    # Most of the thresholds lie where impostors are; the other half of the points is spread over the genuine ones.
    rejects = 1.0 - roc.true_accept_rate
    genuine = np.searchsorted(-rejects, -np.linspace(1.0, 0.0, _DET_POINTS))
    kept = np.unique(np.concatenate([places, np.minimum(genuine, len(rejects) - 1)]))
    return tuple(roc.false_accept_rate[kept].tolist()), tuple(rejects[kept].tolist())
