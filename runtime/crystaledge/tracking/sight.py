"""One frame's detections as the tracker works on them, in an order of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from crystaledge.detections import Detections
from crystaledge.errors import ContractError
from crystaledge.tracking.config import TrackerConfig
from crystaledge.tracking.motion import centre_half, measured

Similarity: TypeAlias = "Callable[[Sequence[int], Sequence[int]], NDArray[np.float64]]"
"""Similarities float64 `(rows, tracks)` of detections, by row, and tracks, by number; NaN where unknown.

A log-likelihood ratio: above 0 speaks for the same person, below for another one.
"""

LARGEST_PX = 1e6


class Sight:
    """Detections sorted by place, so that the answer does not depend on the order in which they came.

    Raises:
        ContractError: a coordinate is beyond a million pixels, or a score is NaN.
    """

    def __init__(self, detections: Detections, config: TrackerConfig) -> None:
        boxes, scores = detections.box_xyxy, detections.score
        if not ((np.abs(boxes) <= LARGEST_PX).all() and (scores == scores).all()):
            msg = "Detections hold a coordinate beyond 1e6 pixels or a score that is NaN; expected finite values."
            raise ContractError(msg)
        self._order = np.lexsort((scores, *boxes.T[::-1]))
        self.measurements = measured(boxes[self._order])
        """float64 `(n, 4)`."""
        self.shapes = centre_half(self.measurements)
        """Centres and half sizes, float64 `(n, 4)`."""
        score = scores[self._order]
        self.is_high = score >= config.high_score
        self.is_low = (score >= config.low_score) & ~self.is_high
        self.owner = np.full(len(score), -1, np.int64)
        """Track of each detection, as far as it is known; -1 for none."""

    def __len__(self) -> int:
        return len(self.owner)

    def numbers(self) -> NDArray[np.int64]:
        """The owners, in the order in which the detections came."""
        result = np.empty_like(self.owner)
        result[self._order] = self.owner
        return result

    def similarity(self, ask: Similarity, which: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Ask the host how similar these detections are to tracks, `(len(which), len(numbers))`.

        Raises:
            ContractError: the answer has another shape.
        """
        answer = np.asarray(ask(self._order[which].tolist(), numbers.tolist()), np.float64)
        if answer.shape != (len(which), len(numbers)):
            msg = f"similarity returned {answer.shape}; expected ({len(which)}, {len(numbers)}): detections by tracks."
            raise ContractError(msg)
        return answer
