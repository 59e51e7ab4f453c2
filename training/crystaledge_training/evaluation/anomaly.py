"""How well anomalous images are told from normal ones, and what a threshold chosen before does on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from crystaledge.errors import ContractError, UsageError
from crystaledge.metrics.bootstrap import Estimate, estimate
from crystaledge.metrics.verification import auc, roc_curve

Array = NDArray[np.float64]
_SEED_STREAM = 0xA0C
"""Beside whatever else is drawn by the same seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectResult:
    """The images of one kind of defect, against all normal ones."""

    defect: str
    images: int
    auroc: float
    """NaN without normal images."""
    recall: float
    """Share of them at or above the threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMetrics:
    """Of raw scores of images; shares are in [0, 1], or NaN where there is nothing to take a share of."""

    auroc: Estimate
    """With its 95 % interval by drawing images, normal and anomalous ones apart; NaN without either."""
    threshold: float
    """Raw score, chosen before on other images, from which an image is anomalous."""
    recall: float
    precision: float
    """NaN where no image is at or above the threshold."""
    f1: float
    false_alarm_rate: Estimate
    """Share of the normal images at or above the threshold, with its exact 95 % interval (Clopper-Pearson)."""
    normal: int
    anomalous: int
    by_defect: tuple[DefectResult, ...]
    """By name."""


def image_metrics(
    raw: Array, defects: Sequence[str | None], *, threshold: float, bootstrap: int, seed: int
) -> ImageMetrics:
    """Judge raw scores of images.

    Args:
        raw: `(N,)`, more being more anomalous.
        defects: what each image shows; None of a normal one.
        bootstrap: resamples for the interval of the AUROC; 0 leaves it out.

    Raises:
        UsageError: lengths differ, or a negative number of resamples.
        ContractError: a score that is not finite.
    """
    if raw.shape != (len(defects),) or bootstrap < 0:
        msg = (
            f"Got scores {raw.shape}, {len(defects)} images and {bootstrap} resamples; expected (N,), N and at least 0."
        )
        raise UsageError(msg)
    if not np.isfinite(raw).all():
        msg = f"The score of image {int(np.argmin(np.isfinite(raw)))} is not finite; the network's weights are damaged."
        raise ContractError(msg)
    anomalous = np.array([defect is not None for defect in defects], np.bool_)
    alarm = raw >= threshold
    hits, alarms = int((alarm & anomalous).sum()), int(alarm.sum())
    count, normal = int(anomalous.sum()), int((~anomalous).sum())
    return ImageMetrics(
        auroc=_auroc_estimate(raw, anomalous, resamples=bootstrap, seed=seed),
        threshold=threshold,
        recall=_share(hits, count),
        precision=_share(hits, alarms),
        f1=_share(2 * hits, count + alarms),
        false_alarm_rate=share_estimate(alarms - hits, normal),
        normal=normal,
        anomalous=count,
        by_defect=tuple(_defect(raw, defects, anomalous, alarm, name) for name in sorted({d for d in defects if d})),
    )


def auroc(raw: Array, anomalous: NDArray[np.bool_], weights: Array | None = None) -> float:
    """Probability that an anomalous image scores above a normal one, ties counting half; NaN without either."""
    if not anomalous.any() or anomalous.all():
        return math.nan
    return auc(roc_curve(raw, anomalous, weights))


def share_estimate(part: int, whole: int) -> Estimate:
    """A share with its exact 95 % interval; NaN of nothing."""
    if not whole:
        return Estimate(math.nan, math.nan, math.nan)
    interval = binomtest(part, whole).proportion_ci(0.95, method="exact")
    return Estimate(part / whole, float(interval.low), float(interval.high))


def _auroc_estimate(raw: Array, anomalous: NDArray[np.bool_], *, resamples: int, seed: int) -> Estimate:
    """The percentile interval of Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.

    Normal and anomalous images are drawn apart: how many of each there are is the test set's choice, not chance.
    """
    value = auroc(raw, anomalous)
    if math.isnan(value):
        return Estimate(value, math.nan, math.nan)
    generator = np.random.default_rng((seed, _SEED_STREAM))
    samples = np.empty(resamples)
    for row in range(resamples):
        times = np.empty(len(raw))
        for kind in (anomalous, ~anomalous):
            count = int(kind.sum())
            times[kind] = generator.multinomial(count, np.full(count, 1.0 / count))
        samples[row] = auroc(raw, anomalous, times)
    return estimate(value, samples)


def _defect(
    raw: Array, defects: Sequence[str | None], anomalous: NDArray[np.bool_], alarm: NDArray[np.bool_], name: str
) -> DefectResult:
    own = np.array([defect == name for defect in defects], np.bool_)
    compared = own | ~anomalous
    return DefectResult(
        defect=name,
        images=int(own.sum()),
        auroc=auroc(raw[compared], own[compared]),
        recall=float(alarm[own].mean()),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
