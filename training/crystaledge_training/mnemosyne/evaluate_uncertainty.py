"""Is the log-variance worth anything? The same pairs scored with it and without it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau

from crystaledge.identity.spec import COSINE, Scoring
from crystaledge.metrics.bootstrap import (
    Array,
    Estimate,
    ScoredPairs,
    bootstrap_verification,
    estimate,
)
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.evaluation.templates import TemplateSet, all_pairs, thin_impostors
from crystaledge_training.mnemosyne.embed import Encoded, crystallize
from crystaledge_training.mnemosyne.scoring import Identities, identities_at
from crystaledge_training.mnemosyne.step import CrystallizationNetwork

_SIZES = (1, 2, 3, 5)
_RANKED_PAIRS = 20_000


@dataclass(frozen=True, slots=True)
class UncertaintyResult:
    """Pairs of templates of mixed sizes, where certainty differs."""

    pairs: int
    rank_agreement: float
    """Kendall's tau between the scores with log-variance and without; 1 means it changes no order."""
    with_log_variance: dict[str, Estimate]
    without: dict[str, Estimate]
    auc_gain: Estimate
    mean_log_variance: tuple[tuple[int, float], ...]
    """(observations, mean log-variance) of templates."""


def measure_uncertainty(
    network: CrystallizationNetwork, encoded: Encoded, store: FrameStore, scoring: Scoring, draws: Array, *, seed: int
) -> UncertaintyResult:
    """Score mixed-size templates as `scoring` says, and by cosine, which one log-variance for all amounts to."""
    parts = [_templates_of_size(store, size, seed) for size in _SIZES]
    identities = [identities_at(crystallize(network, encoded, p.rows), -1) for p in parts if len(p.person)]
    sizes = [size for size, part in zip(_SIZES, parts, strict=True) if len(part.person)]
    joined = Identities(
        np.concatenate([i.unit for i in identities]), np.concatenate([i.log_variance for i in identities])
    )
    person = np.concatenate([p.person for p in parts])
    pairs = thin_impostors(all_pairs(TemplateSet(np.empty((len(person), 0), np.int64), person)), seed=seed)
    scored = [
        ScoredPairs(
            joined.scores(kind, joined)[pairs.first, pairs.second],
            pairs.same,
            person[pairs.first],
            person[pairs.second],
        )
        for kind in (scoring, COSINE)
    ]
    results = [bootstrap_verification(s, draws) for s in scored]
    estimates = [{k: estimate(values[k], samples[k]) for k in values} for values, samples in results]
    difference = results[0][0]["auc"] - results[1][0]["auc"]
    return UncertaintyResult(
        pairs=len(pairs.same),
        rank_agreement=_rank_agreement(scored[0].scores, scored[1].scores, seed),
        with_log_variance=estimates[0],
        without=estimates[1],
        auc_gain=estimate(difference, results[0][1]["auc"] - results[1][1]["auc"]),
        mean_log_variance=tuple(
            (size, float(i.log_variance.mean())) for size, i in zip(sizes, identities, strict=True)
        ),
    )


def _templates_of_size(store: FrameStore, size: int, seed: int) -> TemplateSet:
    """One template of `size` frames of each person who has at least two, cut from an own part of the frames.

    People's shuffled frames are laid out once; the templates of different sizes do not overlap.
    """
    rows, owners = [], []
    start = sum(s for s in _SIZES if s < size)
    for person in np.flatnonzero(store.counts >= 2).tolist():
        shuffled = np.random.default_rng((seed, person)).permutation(store.rows_of(person))
        if len(shuffled) >= start + size:
            rows.append(shuffled[start : start + size])
            owners.append(person)
    stacked = np.stack(rows) if rows else np.empty((0, size), np.int64)
    return TemplateSet(stacked, np.array(owners, np.int64))


def _rank_agreement(a: Array, b: Array, seed: int) -> float:
    if len(a) < 2:
        return float("nan")
    some = np.random.default_rng(seed).permutation(len(a))[:_RANKED_PAIRS]
    return float(kendalltau(a[some], b[some]).statistic)
