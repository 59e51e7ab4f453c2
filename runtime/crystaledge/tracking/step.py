"""What the parts of one update work on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.tracking.config import TrackerConfig
from crystaledge.tracking.sight import Sight, Similarity
from crystaledge.tracking.table import TrackTable
from crystaledge.tracking.update import Events


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One frame: the table and the events are changed, the rest is read."""

    table: TrackTable
    sight: Sight
    events: Events
    config: TrackerConfig
    now_s: float
    similarity: Similarity | None

    def similarity_of(self, which: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Similarities `(len(which), len(numbers))` of detections to tracks; all unknown without a host that tells."""
        if self.similarity is None:
            return np.full((len(which), len(numbers)), np.nan)
        return self.sight.similarity(self.similarity, which, numbers)
