"""Running sums of a comparison of detectors: maps by output, and faces."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from crystaledge.detection.codec import Candidates
from crystaledge_calibration.agreement import same_faces
from crystaledge_calibration.detection_records import DetectionParity, MapError
from crystaledge_calibration.pyramid import above
from crystaledge_calibration.records import TensorTrace

Array = NDArray[np.float32]
_BROKEN = 1e30
"""JSON has no infinity."""


class MapTally:
    """Differences of two graphs' outputs by name."""

    def __init__(self) -> None:
        self._most: dict[str, float] = {}
        self._sums: dict[str, NDArray[np.float64]] = {}

    def add(self, reference: Mapping[str, Array], other: Mapping[str, Array]) -> None:
        """Take in outputs of the same images; a value that is not finite is broken for good."""
        for name, a in reference.items():
            wide = a.astype(np.float64)
            with np.errstate(invalid="ignore", over="ignore"):
                apart = np.abs(wide - other[name])
            apart = np.where(np.isfinite(apart), np.minimum(apart, _BROKEN), _BROKEN)
            sums = np.array([apart.size, apart.sum(), np.square(apart).sum(), np.square(wide).sum()])
            self._most[name] = max(self._most.get(name, 0.0), float(apart.max()))
            self._sums[name] = self._sums.get(name, np.zeros(4)) + sums

    def traces(self) -> tuple[TensorTrace, ...]:
        """Largest and mean absolute difference of each output, of the one step that there is."""
        rows = ((name, self._most[name], float(sums[1] / sums[0])) for name, sums in self._sums.items())
        return tuple(TensorTrace(tensor=name, max_abs=(most,), mean_abs=(mean,)) for name, most, mean in rows)

    def errors(self) -> tuple[MapError, ...]:
        """Relative error of each output."""
        return tuple(
            MapError(tensor=name, error=float(min(np.sqrt(sums[2] / max(sums[3], 1e-30)), _BROKEN)))
            for name, sums in self._sums.items()
        )


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
        """What was seen."""
        both, either = len(self._ious), sum(self._found)
        apart = np.array(self._apart or [0.0])
        return DetectionParity(
            images=self._images,
            score=self._score,
            faces_float=self._found[0],
            faces_deployed=self._found[1],
            faces_both=both,
            same_faces=2 * both / either if either else 1.0,
            box_iou=float(np.clip(np.mean(self._ious), 0.0, 1.0)) if both else 0.0,
            score_apart=float(np.abs(apart).mean()),
            score_shift=float(apart.mean()),
        )
