"""A pipeline whose trackers write down what they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.detections import Detections
from crystaledge.tracking.sight import Similarity
from crystaledge.tracking.tracker import FaceTracker
from crystaledge.tracking.update import Update
from crystaledge.video.camera import Camera
from crystaledge.video.pipeline import VideoPipeline


@dataclass(frozen=True, slots=True)
class Said:
    """A tracker on one frame."""

    time_s: float
    box_xyxy: NDArray[np.float32]
    """`(N, 4)`, what it was shown."""
    score: NDArray[np.float32]
    update: Update
    cut: bool


class WatchedTracker(FaceTracker):
    """Writes down every update."""

    said: list[Said]

    def update(
        self, detections: Detections, time_s: float, *, similarity: Similarity | None = None, cut: bool = False
    ) -> Update:
        """As the tracker does."""
        told = super().update(detections, time_s, similarity=similarity, cut=cut)
        self.said.append(Said(time_s, detections.box_xyxy, detections.score, told, cut))
        return told


class WatchedPipeline(VideoPipeline):
    """Its cameras have such trackers; all write into one list."""

    said: list[Said]

    def new_camera(self) -> Camera:
        """As the pipeline does."""
        camera = super().new_camera()
        tracker = WatchedTracker(self.tracker_config, self.ids)
        tracker.said = self.said = []
        camera.tracker = tracker
        return camera
