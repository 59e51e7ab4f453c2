"""A host that knows faces: one template for each track, log-likelihood ratios against it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crystaledge.tracking.update import Update
from crystaledge_benchmarks.tracking.scenes import EMBEDDING_DIMS, EMBEDDING_NOISE

Array = NDArray[np.float64]

GOOD_SCORE = 0.75
"""Faces that score less are too hidden to be recognised; their similarity is unknown."""
COSINE_SD = 0.125
"""Of the cosine of strangers in 64 dimensions; the same is assumed of one person's."""


class Appearances:
    """Mean embedding of each track, from detections in full view; forgotten when the track ends."""

    def __init__(self) -> None:
        self._sums: dict[int, Array] = {}
        self._counts: dict[int, int] = {}
        self._embeddings: Array = np.empty((0, EMBEDDING_DIMS))
        self._is_good: NDArray[np.bool_] = np.empty(0, np.bool_)

    def show(self, embeddings: Array, scores: NDArray[np.float32]) -> None:
        """Take up the detections of a frame."""
        self._embeddings, self._is_good = embeddings, scores >= GOOD_SCORE

    def similarity(self, rows: Sequence[int], tracks: Sequence[int]) -> Array:
        """Log-likelihood ratios of cosines: normal with the expected mean for one person, with mean 0 for two."""
        counts = np.array([self._counts.get(track, 0) for track in tracks], np.float64)
        sums = np.array([self._sums.get(track, np.zeros(EMBEDDING_DIMS)) for track in tracks])
        cosine = self._embeddings[list(rows)] @ (sums / np.maximum(np.linalg.norm(sums, axis=1), 1e-9)[:, None]).T
        noise = EMBEDDING_NOISE**2
        same = 1.0 / np.sqrt((1 + noise) * (1 + noise / np.maximum(counts, 1)))
        ratio: Array = (cosine**2 - (cosine - same) ** 2) / (2 * COSINE_SD**2)
        ratio[:, counts == 0] = np.nan
        ratio[~self._is_good[list(rows)]] = np.nan
        return ratio

    def learn(self, update: Update) -> None:
        """Add the frame's faces to their tracks, and let go of what ended."""
        for number, embedding, good in zip(update.numbers.tolist(), self._embeddings, self._is_good, strict=True):
            if number >= 0 and good:
                self._sums[number] = self._sums.get(number, 0.0) + embedding
                self._counts[number] = self._counts.get(number, 0) + 1
        for number in update.ended:
            self._sums.pop(number, None)
            self._counts.pop(number, None)
