"""Ways of looking at one and the same film."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.detection.detector import DetectorConfig
from crystaledge.sources.frame import Frame
from crystaledge.tracking.rows import Stage
from crystaledge.video.camera import Camera
from crystaledge.video.options import VideoOptions
from crystaledge.video.pipeline import VideoPipeline
from crystaledge_benchmarks.video.dense_look import DenseLook
from crystaledge_benchmarks.video.motion_rules import MotionRules
from crystaledge_benchmarks.video.overlap import as_boxes
from crystaledge_benchmarks.video.setup import Setup

Array = NDArray[np.float32]

OURS, NAMED, DENSE, RULES, BARE = "ours", "ours, names", "ours, dense", "motion rules", "detector alone"
DENSE_OPTIONS = VideoOptions(gate=None, detector=DetectorConfig(verify=False, refresh_frames=1))
"""Everything is recomputed in every frame."""


class Mode(Protocol):
    """One way of looking; `see` is what is timed."""

    def see(self, frame: Frame) -> None: ...

    def reported(self) -> Array:
        """Boxes `(N, 4)` that it says are in view after the last frame."""


class PipelineMode:
    """The video pipeline."""

    def __init__(self, detector: Bundle, identity: Bundle | None, options: VideoOptions) -> None:
        self._pipeline = VideoPipeline.of(detector, identity, options)

    def see(self, frame: Frame) -> None:
        """Take in one frame."""
        self._pipeline.process([frame])

    def reported(self) -> Array:
        """Of all cameras."""
        return as_boxes([box for camera in self._pipeline.cameras.values() for box in in_view(camera)])


@dataclass(slots=True)
class BareMode:
    """The detector on every frame, and nothing else."""

    detect: DenseLook
    found: Array

    def see(self, frame: Frame) -> None:
        """Take in one frame."""
        self.found = self.detect(frame).box_xyxy

    def reported(self) -> Array:
        """What the last frame showed."""
        return self.found


def modes_of(setup: Setup) -> Mapping[str, Callable[[], Mode]]:
    """Makers of modes that have seen nothing; graphs are opened by the makers."""
    detector, identity = setup.detector, setup.identity
    return {
        OURS: lambda: PipelineMode(detector, None, VideoOptions()),
        NAMED: lambda: PipelineMode(detector, identity, VideoOptions()),
        DENSE: lambda: PipelineMode(detector, None, DENSE_OPTIONS),
        RULES: lambda: MotionRules(DenseLook(detector)),
        BARE: lambda: BareMode(DenseLook(detector), as_boxes([])),
    }


def in_view(camera: Camera) -> Array:
    """Boxes `(N, 4)` of the tracks that a camera sees, tentative ones too."""
    stages = {track: camera.tracker.stage(track) for track in camera.shown}
    seen = [track for track, stage in stages.items() if stage in (Stage.TENTATIVE, Stage.CONFIRMED)]
    return as_boxes([camera.shown[track].box_xyxy for track in seen])
