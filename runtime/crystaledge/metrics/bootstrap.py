"""Bootstrap over subjects: people are resampled, never images or pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.metrics.verification import (
    Roc,
    auc,
    equal_error_rate,
    roc_curve,
    tar_at_far,
)

Array = NDArray[np.float64]
FALSE_ACCEPT_RATES = (1e-1, 1e-2, 1e-3)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % percentile interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ScoredPairs:
    """Pairs with the scores of one method; several methods share one set of pairs."""

    scores: Array
    same: NDArray[np.bool_]
    first_person: NDArray[np.int64]
    second_person: NDArray[np.int64]


def verification_metrics() -> dict[str, Callable[[Roc], float]]:
    """The verification metrics by name."""

    def tar(rate: float) -> Callable[[Roc], float]:
        return lambda roc: tar_at_far(roc, rate)

    return {"auc": auc, "eer": equal_error_rate} | {f"tar@far={rate:g}": tar(rate) for rate in FALSE_ACCEPT_RATES}


def resample_people(people: int, resamples: int, *, seed: int) -> Array:
    """How often each person is drawn in each resample, `(resamples, people)`; rows sum to `people`."""
    generator = np.random.default_rng((seed, 0xB007))
    return generator.multinomial(people, np.full(people, 1.0 / people), size=resamples).astype(np.float64)


def bootstrap_verification(pairs: ScoredPairs, draws: Array) -> tuple[dict[str, float], dict[str, Array]]:
    """Each metric on all pairs, and its value in each resample `(resamples,)`.

    A genuine pair weighs as often as its person was drawn, an impostor pair as the product of both
    counts. Where there is no genuine or no impostor pair, all is NaN.
    """
    metrics = verification_metrics()
    samples = {name: np.full(len(draws), np.nan) for name in metrics}
    if not pairs.same.any() or pairs.same.all():
        return dict.fromkeys(metrics, float("nan")), samples
    roc = roc_curve(pairs.scores, pairs.same)
    values = {name: metric(roc) for name, metric in metrics.items()}
    order = np.argsort(-pairs.scores, kind="stable")
    ordered = ScoredPairs(*(getattr(pairs, f)[order] for f in ("scores", "same", "first_person", "second_person")))
    for index, counts in enumerate(draws):
        resampled = _resampled_roc(ordered, counts)
        if resampled is not None:
            for name, metric in metrics.items():
                samples[name][index] = metric(resampled)
    return values, samples


def estimate(value: float, samples: Array) -> Estimate:
    """A value with the 2.5 and 97.5 percentiles of its resamples; NaN bounds where there are none."""
    known = samples[~np.isnan(samples)]
    if not len(known):
        return Estimate(value, float("nan"), float("nan"))
    low, high = np.quantile(known, (0.025, 0.975))
    return Estimate(value, float(low), float(high))


def bootstrap_mean(per_person: Array, present: NDArray[np.int64], draws: Array) -> Estimate:
    """Mean over people with a value, and its interval.

    Args:
        per_person: `(K,)` one value for each person of `present`.
        present: `(K,)` their numbers among all people.
    """
    weights = draws[:, present]
    total = weights.sum(axis=1)
    samples = np.divide(weights @ per_person, total, out=np.full(len(draws), np.nan), where=total > 0)
    return estimate(float(per_person.mean()), samples)


def _resampled_roc(ordered: ScoredPairs, counts: Array) -> Roc | None:
    first, second = counts[ordered.first_person], counts[ordered.second_person]
    weights = np.where(ordered.same, first, first * second)
    kept = weights > 0
    same = ordered.same[kept]
    if not same.any() or same.all():
        return None
    return roc_curve(ordered.scores[kept], same, weights[kept])
