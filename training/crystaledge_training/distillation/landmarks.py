"""dlib's five landmarks of the face in a crop: the detection nearest the middle, else where a face should be."""

from __future__ import annotations

from pathlib import Path

import dlib
import numpy as np
from numpy.typing import NDArray

from crystaledge_training.distillation.geometry import CROP_SIDE
from crystaledge_training.distillation.tutor import Landmarks

_MARGIN_PX = 32
"""Border repeated around a crop: a face may fill it, and a detector wants some room."""
_LEAST_SCORE = -0.3
_SCORE_WORTH_PX = 40.0
"""A detection may lie so much farther from the middle for each point of score."""
_EXPECTED_XYXY = (24, 36, 104, 116)
"""Where a crop without a detection is searched, in crop pixels: a face of LFW's middle."""


class LandmarkFinder:
    """Histogram-of-gradients detector (Dalal and Triggs 2005) and regression trees (Kazemi and Sullivan 2014)."""

    def __init__(self, model: Path) -> None:
        self._detector = dlib.get_frontal_face_detector()
        self._predictor = dlib.shape_predictor(str(model))

    def __call__(self, crop: NDArray[np.uint8]) -> Landmarks:
        """Landmarks in an RGB crop, uint8 `(128, 128, 3)`."""
        framed = np.pad(crop, ((_MARGIN_PX, _MARGIN_PX), (_MARGIN_PX, _MARGIN_PX), (0, 0)), mode="edge")
        face = self._nearest_face(framed)
        parts = self._predictor(framed, _expected_face() if face is None else face).parts()
        points = np.array([(p.x - _MARGIN_PX, p.y - _MARGIN_PX) for p in parts], np.float32)
        return Landmarks(points, detected=face is not None)

    def _nearest_face(self, framed: NDArray[np.uint8]) -> dlib.rectangle | None:
        faces, scores, _ = self._detector.run(framed, 1, _LEAST_SCORE)
        middle = CROP_SIDE / 2 + _MARGIN_PX

        def price(face: dlib.rectangle, score: float) -> float:
            centre = face.center()
            return float(abs(centre.x - middle) + abs(centre.y - middle) - _SCORE_WORTH_PX * score)

        ranked = sorted(zip(faces, scores, strict=True), key=lambda found: price(*found))
        return ranked[0][0] if ranked else None


def _expected_face() -> dlib.rectangle:
    return dlib.rectangle(*(edge + _MARGIN_PX for edge in _EXPECTED_XYXY))
