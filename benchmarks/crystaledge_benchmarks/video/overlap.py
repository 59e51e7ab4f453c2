"""Who of two sets of boxes is seen by the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystaledge.detection.boxes import iou_matrix

Array = NDArray[np.float32]


def as_boxes(boxes: object) -> Array:
    """Anything that lists boxes, as float32 `(N, 4)`."""
    return np.asarray(boxes, np.float32).reshape(-1, 4)


def covered(boxes: Array, by: Array, *, iou: float) -> NDArray[np.bool_]:
    """Which of the boxes `(N, 4)` overlap one of the others `(M, 4)` by at least `iou`: bool `(N,)`."""
    seen: NDArray[np.bool_] = np.any(iou_matrix(boxes, by) >= iou, axis=1)
    return seen


class Recall:
    """Counts how many boxes of a reference were reported too, frame by frame."""

    def __init__(self, iou: float) -> None:
        self._iou = iou
        self.wanted = 0
        self.found = 0

    def add(self, reference: Array, reported: Array) -> None:
        """One frame."""
        self.wanted += len(reference)
        self.found += int(covered(reference, reported, iou=self._iou).sum())

    @property
    def share(self) -> float | None:
        """Share that was reported; None where the reference is empty."""
        return self.found / self.wanted if self.wanted else None
