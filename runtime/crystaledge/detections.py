"""What travels between locator, tracker and embedder: aligned arrays, checked once, frozen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import ContractError


@dataclass(frozen=True, slots=True)
class Detections:
    """Objects of one frame.

    Raises:
        ContractError: arrays of different lengths, wrong types, or a box without area.
    """

    box_xyxy: NDArray[np.float32]
    """float32 `(N, 4)`: x1, y1, x2, y2 in pixels of the source frame, half-open."""
    score: NDArray[np.float32]
    """float32 `(N,)` in [0, 1]."""

    def __post_init__(self) -> None:
        boxes, scores = self.box_xyxy, self.score
        if boxes.shape != (len(scores), 4) or boxes.dtype != np.float32 or scores.dtype != np.float32:
            msg = (
                f"Detections got boxes {boxes.dtype} {boxes.shape} and scores {scores.dtype} {scores.shape}; "
                "expected float32 (N, 4) and (N,)."
            )
            raise ContractError(msg)
        if not (boxes[:, 2:] > boxes[:, :2]).all():
            msg = "Detections got a box with x2 <= x1 or y2 <= y1; expected corners in order x1, y1, x2, y2."
            raise ContractError(msg)

    def __len__(self) -> int:
        return len(self.score)
