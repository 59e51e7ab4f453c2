"""LFW's View 1: one image against one, a threshold from the training pairs, accuracy on the test pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystaledge.metrics.bootstrap import Estimate, estimate
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder, Preprocessing
from crystaledge.sources.images import read_image
from crystaledge_training.data.lfw_pairs import ImagePair
from crystaledge_training.mnemosyne.embed import crystallize, encode_frames
from crystaledge_training.mnemosyne.scoring import identities_at
from crystaledge_training.mnemosyne.step import CrystallizationNetwork


@dataclass(frozen=True, slots=True)
class PairsResult:
    """Single images, compared by the cosine of their identities."""

    pairs: int
    threshold: float
    """Of the highest accuracy on the training pairs."""
    accuracy: Estimate
    """On the test pairs; resampled by the first person of each pair."""
    training_accuracy: float


def measure_pairs(
    network: CrystallizationNetwork,
    training: Sequence[ImagePair],
    test: Sequence[ImagePair],
    spec: Preprocessing,
    *,
    resamples: int,
    seed: int,
) -> PairsResult:
    """Accuracy of one observation against one.

    Raises:
        DataError: an image cannot be read.
    """
    scores, same = pair_cosines(network, training, spec), _same(training)
    threshold = best_threshold(scores, same)
    hits = (pair_cosines(network, test, spec) >= threshold) == _same(test)
    return PairsResult(
        pairs=len(test),
        threshold=threshold,
        accuracy=_by_person(hits, [pair.people[0] for pair in test], resamples, seed),
        training_accuracy=float(((scores >= threshold) == same).mean()),
    )


def pair_cosines(
    network: CrystallizationNetwork, pairs: Sequence[ImagePair], spec: Preprocessing
) -> NDArray[np.float64]:
    """Cosines `(P,)` of the identities after one observation each."""
    paths = sorted({path for pair in pairs for path in (pair.first, pair.second)})
    row = {path: number for number, path in enumerate(paths)}
    identities = identities_at(
        crystallize(network, encode_frames(network, _frames(paths, spec), spec), np.arange(len(paths))[:, None]), -1
    )
    first, second = ([row[getattr(pair, side)] for pair in pairs] for side in ("first", "second"))
    return np.asarray((identities.unit[first] * identities.unit[second]).sum(axis=1))


def best_threshold(scores: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """The score, halfway between two, from where calling a pair the same is right most often."""
    order = np.argsort(scores)
    ranked, truth = scores[order], same[order]
    right = np.concatenate([[0], np.cumsum(~truth)]) + np.concatenate([np.cumsum(truth[::-1])[::-1], [0]])
    ends = np.concatenate([[ranked[0] - 1.0], ranked, [ranked[-1] + 1.0]])
    best = int(right.argmax())
    return float(ends[best : best + 2].mean())


def _by_person(hits: NDArray[np.bool_], people: Sequence[str], resamples: int, seed: int) -> Estimate:
    _, owner = np.unique(people, return_inverse=True)
    right = np.bincount(owner, weights=hits)
    count = np.bincount(owner)
    drawn = np.random.default_rng(seed).integers(0, len(count), (resamples, len(count)))
    return estimate(float(hits.mean()), right[drawn].sum(axis=1) / count[drawn].sum(axis=1))


def _frames(paths: Sequence[Path], spec: Preprocessing) -> NDArray[np.uint8]:
    preprocessor = Preprocessor(spec)
    return np.stack([preprocessor.resize(read_image(path), ColorOrder.BGR).copy() for path in paths])


def _same(pairs: Sequence[ImagePair]) -> NDArray[np.bool_]:
    return np.array([pair.same for pair in pairs])
