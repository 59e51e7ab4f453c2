"""The tracker on a scene."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from crystaledge.detections import Detections
from crystaledge.tracking.config import TrackerConfig
from crystaledge.tracking.ids import TrackIds
from crystaledge.tracking.rows import Stage
from crystaledge.tracking.tracker import FaceTracker
from crystaledge_benchmarks.tracking.appearance import Appearances
from crystaledge_benchmarks.tracking.scenes import Scene


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tracker said."""

    number: NDArray[np.int64]
    """Track of each detection of the scene `(D,)`; -1 where it belongs to none, or to one that is not confirmed."""
    cost_ms: NDArray[np.float64]
    """Time of each frame's update `(T,)`; with appearance, the host's share included."""


def track(scene: Scene, config: TrackerConfig, *, appearance: bool) -> Answer:
    """Follow the faces of a scene, frame by frame."""
    tracker, people = FaceTracker(config, TrackIds()), Appearances()
    bounds = np.searchsorted(scene.det_frame, np.arange(len(scene.time_s) + 1))
    number, cost_ms = np.full(len(scene.det_frame), -1, np.int64), np.empty(len(scene.time_s))
    for frame, (start, end) in enumerate(pairwise(bounds)):
        detections = Detections(scene.det_box[start:end], scene.det_score[start:end])
        people.show(scene.det_embedding[start:end], detections.score)
        begin = time.perf_counter()
        update = tracker.update(
            detections, float(scene.time_s[frame]), similarity=people.similarity if appearance else None
        )
        cost_ms[frame] = (time.perf_counter() - begin) * 1e3
        people.learn(update)
        is_sure = [stage is Stage.CONFIRMED for stage in update.stages]
        number[start:end] = np.where(is_sure, update.numbers, -1)
    return Answer(number, cost_ms)
