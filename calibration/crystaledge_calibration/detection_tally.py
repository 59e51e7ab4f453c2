"""Running counts of the faces that two detectors find."""

from __future__ import annotations

import numpy as np

from crystaledge.detection.codec import Candidates
from crystaledge.errors import DataError
from crystaledge_calibration.agreement import same_faces
from crystaledge_calibration.detection_records import DetectionParity
from crystaledge_calibration.pyramid import above


class FaceTally:
    """Faces that two detectors find at one operating point."""

    def __init__(self, score: float) -> None:
        self._score = score
        self._images = 0
        self._found = [0, 0]
        self._ious: list[float] = []
        self._apart: list[float] = []

    def add(self, reference: Candidates, other: Candidates) -> None:
        """Take in the faces of one image."""
        left, right = above(reference, self._score), above(other, self._score)
        self._images += 1
        self._found[0] += len(left.score)
        self._found[1] += len(right.score)
        for pair in same_faces(left, right):
            self._ious.append(pair.iou)
            self._apart.append(float(right.score[pair.right]) - float(left.score[pair.left]))

    def record(self) -> DetectionParity:
        """What was seen.

        Raises:
            DataError: the reference finds no face at all.
        """
        if not self._found[0]:
            msg = f"The float graphs find no face in {self._images} images, so nothing is proven; give images of faces."
            raise DataError(msg)
        both, either = len(self._ious), sum(self._found)
        apart = np.array(self._apart or [0.0])
        return DetectionParity(
            images=self._images,
            score=self._score,
            faces_float=self._found[0],
            faces_deployed=self._found[1],
            faces_both=both,
            same_faces=2 * both / either,
            box_iou=float(np.clip(np.mean(self._ious), 0.0, 1.0)) if both else 0.0,
            score_apart=float(np.abs(apart).mean()),
            score_shift=float(apart.mean()),
        )
