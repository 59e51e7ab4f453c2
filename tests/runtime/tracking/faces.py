"""Faces for the tracker's tests: square boxes of 60 pixels unless said otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from crystaledge.detections import Detections
from crystaledge.tracking.config import TrackerConfig
from crystaledge.tracking.ids import TrackIds
from crystaledge.tracking.sight import Similarity
from crystaledge.tracking.tracker import FaceTracker
from crystaledge.tracking.update import Update

FRAME_S = 0.04

Centre = tuple[float, float]


def faces(*centres: Centre, score: float = 0.9, size: float = 60.0) -> Detections:
    """Detections with these centres."""
    middle = np.array(centres, np.float32).reshape(-1, 2)
    return Detections(
        np.concatenate([middle - size / 2, middle + size / 2], axis=1), np.full(len(middle), score, np.float32)
    )


def both(first: Detections, second: Detections) -> Detections:
    """The detections of two lists."""
    return Detections(np.concatenate([first.box_xyxy, second.box_xyxy]), np.concatenate([first.score, second.score]))


def new_tracker(config: TrackerConfig | None = None, ids: TrackIds | None = None) -> FaceTracker:
    """A tracker with its own numbers, from 0 on."""
    return FaceTracker(config or TrackerConfig(), ids or TrackIds())


def follow(
    tracker: FaceTracker, frames: Iterable[Detections], *, start_s: float = 0.0, similarity: Similarity | None = None
) -> list[Update]:
    """Updates of frames at 25 a second."""
    return [tracker.update(d, start_s + i * FRAME_S, similarity=similarity) for i, d in enumerate(frames)]


def settle(tracker: FaceTracker, *centres: Centre, start_s: float = 0.0, frames: int = 5) -> Update:
    """Show still faces until they are confirmed; the last update."""
    return follow(tracker, [faces(*centres)] * frames, start_s=start_s)[-1]


def likeness(table: dict[int, dict[int, float]]) -> Similarity:
    """Similarity of detection rows to tracks from a table; what it lacks is unknown."""

    def ask(rows: Sequence[int], tracks: Sequence[int]) -> NDArray[np.float64]:
        return np.array([[table.get(r, {}).get(t, np.nan) for t in tracks] for r in rows])

    return ask
