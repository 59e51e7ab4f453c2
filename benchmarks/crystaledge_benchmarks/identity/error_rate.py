"""False non-matches at a rate of false matches, and how they vary when people are drawn anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.metrics.bootstrap import Estimate, estimate
from crystaledge_benchmarks.identity.networks import Array

_FIRST_LOOK = 512
"""Highest impostor scores that are looked at first; nearly always they hold every threshold."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate on all people, and on each resample of them; equal resamples make rates comparable."""

    value: float
    samples: Array
    """`(R,)`; NaN where a resample has no genuine or no impostor pair."""

    @property
    def estimate(self) -> Estimate:
        """With its 95 % percentile interval."""
        return estimate(self.value, self.samples)


def mean_rate(rates: Sequence[Rate]) -> Rate:
    """Of several draws of observations, people being resampled alike in all."""
    return Rate(float(np.mean([rate.value for rate in rates])), np.mean([rate.samples for rate in rates], axis=0))


def reduction(ours: Rate, other: Rate) -> Estimate:
    """Share of the other's errors that ours does not make, both resampled together; NaN where the other makes none."""
    values, against = (np.append(rate.value, rate.samples) for rate in (ours, other))
    less = 1.0 - np.divide(values, against, out=np.full(len(values), np.nan), where=against > 0)
    return estimate(float(less[0]), less[1:])


def false_non_match_rate(scores: Array, person: NDArray[np.int64], draws: Array, *, false_match_rate: float) -> Rate:
    """Share of genuine pairs below the lowest threshold whose rate of false matches is at most as asked.

    Every template is compared with every other one. In a resample a genuine pair weighs as often as its person was
    drawn, an impostor pair as the product of both counts, as in `crystaledge.metrics.bootstrap`.

    Args:
        scores: `(M, M)`, symmetric.
        person: `(M,)`, below P.
        draws: `(R, P)`, how often each person is drawn.
    """
    counts = np.concatenate([np.ones((1, draws.shape[1])), draws])
    first, second = np.triu_indices(len(person), k=1)
    same, score = person[first] == person[second], scores[first, second]
    barrier = _barriers(score[~same], person[first[~same]], person[second[~same]], counts, person, false_match_rate)
    rates = 1.0 - _accepted(score[same], counts[:, person[first[same]]], barrier)
    return Rate(float(rates[0]), rates[1:])


def _barriers(
    score: Array,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    counts: Array,
    person: NDArray[np.int64],
    rate: float,
) -> Array:
    """Of each row of counts, the highest impostor score that would be too much: what is above it may pass.

    NaN without impostors, -inf where all may pass.
    """
    order = np.argsort(-score, kind="stable")
    total = _impostor_weight(counts, person)
    looked = min(_FIRST_LOOK, len(order))
    while True:
        top = order[:looked]
        weight = np.cumsum(counts[:, first[top]] * counts[:, second[top]], axis=1)
        share = np.divide(weight, total[:, None], out=np.full(weight.shape, np.nan), where=total[:, None] > 0)
        if looked == len(order) or not (share[:, -1] <= rate).any():
            break
        looked = min(4 * looked, len(order))
    ends = np.append(np.flatnonzero(np.diff(score[top])), looked - 1) if looked else np.empty(0, np.int64)
    reached = (share[:, ends] <= rate).sum(axis=1)
    found = np.append(score[top][ends], -np.inf)[reached]
    return np.where(total > 0, found, np.nan)


def _impostor_weight(counts: Array, person: NDArray[np.int64]) -> Array:
    """Weight of all pairs of different people, from the number of templates of each."""
    weight = counts * np.bincount(person, minlength=counts.shape[1])
    weights: Array = (weight.sum(axis=1) ** 2 - (weight**2).sum(axis=1)) / 2.0
    return weights


def _accepted(score: Array, weight: Array, barrier: Array) -> Array:
    """Share of the genuine weight above each row's barrier; NaN where there is none of either."""
    order = np.argsort(-score, kind="stable")
    total = np.concatenate([np.zeros((len(weight), 1)), np.cumsum(weight[:, order], axis=1)], axis=1)
    passed = np.searchsorted(-score[order], -barrier, side="left")
    chosen = total[np.arange(len(total)), np.where(np.isnan(barrier), 0, passed)]
    share = np.divide(chosen, total[:, -1], out=np.full(len(total), np.nan), where=total[:, -1] > 0)
    return np.where(np.isnan(barrier), np.nan, share)
