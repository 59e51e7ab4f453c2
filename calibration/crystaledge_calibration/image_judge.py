"""How far a candidate is from the float graph in what is decided about images that were set aside for choosing."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import numpy as np
from onnx import ModelProto

from crystaledge.manifest.model import GraphSpec
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_calibration.closed_loop_score import Score
from crystaledge_calibration.image_set import ImageSet, octaves_of
from crystaledge_calibration.image_task import ImageTask
from crystaledge_calibration.split import SplitStep

S = TypeVar("S")


class ImageJudge(Generic[S]):
    """Scores candidates by their agreement with the float graph, image by image; holds all images.

    Cosines of maps do not serve: clipped activations leave the maps alike and cost the largest values most, and what is
    decided by them.

    Args:
        workers: candidates that are scored side by side, each on one thread.
    """

    def __init__(
        self,
        graph: GraphSpec,
        model: ModelProto,
        images: ImageSet,
        preprocessing: Preprocessing,
        task: ImageTask[S, Any, Any],
        *,
        workers: int,
    ) -> None:
        self._graph, self._task, self._workers = graph, task, workers
        self._levels = [octaves_of(rows, task.octaves) for rows in images.rows(preprocessing)]
        self._images = len(images)
        self._reference = self._seen(model)

    @property
    def sequences(self) -> int:
        """Images that it scores on."""
        return self._images

    def score(self, candidate: ModelProto) -> Score:
        """Agreement on each image, as of a sequence of length one."""
        pairs = zip(self._reference, self._seen(candidate), strict=True)
        return Score(np.array([[self._task.agree(left, right) for left, right in pairs]]))

    def score_all(self, candidates: Sequence[ModelProto]) -> list[Score]:
        """Scores of several candidates, in their order."""
        with ThreadPoolExecutor(self._workers) as pool:
            return list(pool.map(self.score, candidates))

    def _seen(self, model: ModelProto) -> list[S]:
        step = SplitStep(self._graph, model)  # its parts know no image size, and so serve every octave
        found: list[S] = []
        for levels in self._levels:
            found += self._task.see([next(step.encode(level)) for level in levels])
        return found
