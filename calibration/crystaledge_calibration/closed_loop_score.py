"""How far a candidate graph is from the float one in closed loop, on sequences set aside for choosing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from crystaledge.manifest.model import GraphSpec
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_calibration.sequence_set import BATCH, Batch, SequenceSet
from crystaledge_calibration.split import SplitStep

Array = NDArray[np.float32]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Score:
    """Cosine of the candidate's state with the float state; where there is none, agreement about an image."""

    cosine: Float64
    """`(T, S)`: every step of every sequence."""

    @property
    def loss(self) -> float:
        """Mean of 1 - cosine over all steps and sequences: what choices minimise."""
        return float((1.0 - self.cosine).mean())

    @property
    def mean(self) -> float:
        """Mean cosine at the worst step."""
        return float(self.cosine.mean(axis=1).min())

    @property
    def p01(self) -> float:
        """First percentile over sequences at the worst step."""
        return float(np.quantile(self.cosine, 0.01, axis=1).min())


class Scorer(Protocol):
    """Whoever scores candidates."""

    @property
    def sequences(self) -> int:
        """How many it scores on."""
        ...

    def score_all(self, candidates: Sequence[ModelProto]) -> list[Score]:
        """Scores of several candidates, in their order."""
        ...


class Judge:
    """Scores candidates against the float graph's own rollout; holds at most `BATCH` sequences.

    Args:
        workers: candidates that are scored side by side, each on one thread.
    """

    def __init__(
        self, graph: GraphSpec, model: ModelProto, sequences: SequenceSet, preprocessing: Preprocessing, *, workers: int
    ) -> None:
        self._graph, self._workers = graph, workers
        self._batch: Batch = next(sequences.batches(preprocessing, size=BATCH))
        self._reference = self._states(model)

    @property
    def sequences(self) -> int:
        """How many it scores on."""
        return len(self._batch)

    def score(self, candidate: ModelProto) -> Score:
        """Roll a candidate out over the same sequences, its own state fed back."""
        return Score(cosine_rows(self._reference, self._states(candidate)))

    def score_all(self, candidates: Sequence[ModelProto]) -> list[Score]:
        """Scores of several candidates, in their order."""
        with ThreadPoolExecutor(self._workers) as pool:
            return list(pool.map(self.score, candidates))

    def _states(self, model: ModelProto) -> Array:
        outputs = SplitStep(self._graph, model).closed_loop(self._batch)
        return np.stack([joined_states(self._graph, step) for step in outputs])


def joined_states(graph: GraphSpec, outputs: Mapping[str, Array]) -> Array:
    """All state outputs of one step, flattened and joined: `(B, D)`."""
    return np.concatenate(
        [outputs[pair.output].reshape(len(outputs[pair.output]), -1) for pair in graph.states], axis=1
    )


def cosine_rows(a: Array, b: Array) -> Float64:
    """Cosine along the last axis; 1 where both are zero, 0 where one is, or is not finite."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(x, axis=-1), np.linalg.norm(y, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = np.sum(x * y, axis=-1) / (norms[0] * norms[1])
    both_zero = (norms[0] == 0) & (norms[1] == 0)
    result: Float64 = np.where(both_zero, 1.0, np.where(np.isfinite(cosine), cosine, 0.0))
    return result
