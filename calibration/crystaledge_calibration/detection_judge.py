"""How far a candidate detector is from the float one in the faces that it finds, on images set aside for choosing."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from onnx import ModelProto

from crystaledge.detection.codec import Candidates
from crystaledge.detection.spec import DetectionDecision
from crystaledge.manifest.model import GraphSpec
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_calibration.agreement import agreement
from crystaledge_calibration.closed_loop_score import Score
from crystaledge_calibration.image_set import ImageSet, octaves_of
from crystaledge_calibration.pyramid import faces_of
from crystaledge_calibration.split import SplitStep


class DetectionJudge:
    """Scores candidates by their agreement with the float graph's faces; holds all images.

    Cosines of maps do not serve: clipped activations leave the maps alike and cost the largest scores most, and faces
    with them.

    Args:
        workers: candidates that are scored side by side, each on one thread.
    """

    def __init__(
        self,
        graph: GraphSpec,
        model: ModelProto,
        images: ImageSet,
        preprocessing: Preprocessing,
        decision: DetectionDecision,
        *,
        workers: int,
    ) -> None:
        self._graph, self._decision, self._workers = graph, decision, workers
        self._levels = [octaves_of(rows, images.octaves) for rows in images.rows(preprocessing)]
        self._images = len(images)
        self._reference = self._faces(model)

    @property
    def sequences(self) -> int:
        """Images that it scores on."""
        return self._images

    def score(self, candidate: ModelProto) -> Score:
        """Agreement on each image, as of a sequence of length one."""
        score = self._decision.point.score
        pairs = zip(self._reference, self._faces(candidate), strict=True)
        return Score(np.array([[agreement(left, right, score=score) for left, right in pairs]]))

    def score_all(self, candidates: Sequence[ModelProto]) -> list[Score]:
        """Scores of several candidates, in their order."""
        with ThreadPoolExecutor(self._workers) as pool:
            return list(pool.map(self.score, candidates))

    def _faces(self, model: ModelProto) -> list[Candidates]:
        step = SplitStep(self._graph, model)  # its parts know no image size, and so serve every octave
        found: list[Candidates] = []
        for levels in self._levels:
            maps = [next(step.encode(level)) for level in levels]
            found += faces_of(maps, self._decision)
        return found
