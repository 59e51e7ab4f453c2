"""Faces in the frames of any number of cameras, recomputing what changed and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.detection.boxes import suppress
from crystaledge.detection.camera_view import BOX, LOGIT, CameraView
from crystaledge.detection.codec import STRIDE_PX, Candidates, decode, logit_of
from crystaledge.detection.noise import NoiseConfig
from crystaledge.detection.spec import DetectionDecision
from crystaledge.detection.windows import Window, cover
from crystaledge.engine.base import Engine
from crystaledge.errors import ContractError, EngineError, UsageError
from crystaledge.preprocessing.preprocessor import Preprocessor, normalisation_table
from crystaledge.sources.frame import Frame

Array = NDArray[np.float32]
Size = tuple[int, int]

IMAGE = "image"
_MOST_CANDIDATES = 300
NO_BOXES: Array = np.empty((0, 4), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorConfig:
    """How much is recomputed.

    Raises:
        UsageError: an interval below one frame.
    """

    noise: NoiseConfig = NoiseConfig()
    refresh_frames: int = 150
    """After so many processed frames everything is recomputed, whatever changed."""
    verify: bool = True
    """Verify a tracked face at its centre where its track explains what changed; else recompute all that changed."""
    verify_frames: int = 4
    """After so many frames of verifying, all that changed is recomputed."""

    def __post_init__(self) -> None:
        if min(self.refresh_frames, self.verify_frames) < 1:
            msg = f"Intervals of {self.refresh_frames} and {self.verify_frames} frames cannot be; expected at least 1."
            raise UsageError(msg)


@dataclass(frozen=True, slots=True)
class Look:
    """What a frame showed."""

    faces: Candidates
    """In pixels of the network's input, best first, suppressed."""
    recomputed: float
    """Pixels that went through the network over those of a whole pass, windows' halos included."""
    changed: float
    """Share of the image that changed."""
    cut: bool
    """Another scene began."""


@dataclass(frozen=True, slots=True)
class _Job:
    view: CameraView
    level: int
    window: Window


class Detector:
    """Runs a detector's graphs, one for each size of window, on what changed; see `CameraView`."""

    def __init__(
        self,
        engines: Mapping[Size, Engine],
        preprocessor: Preprocessor,
        decision: DetectionDecision,
        config: DetectorConfig,
    ) -> None:
        """Nothing is known of any camera yet.

        Raises:
            ContractError: a level of the pyramid is not made of whole cells.
        """
        _check_size(preprocessor.spec.size_hw, decision.octaves)
        self.config = config
        self.size_hw: Size = preprocessor.spec.size_hw
        self._engines = engines
        self._preprocessor = preprocessor
        self._decision = decision
        self._table = normalisation_table(preprocessor.spec)
        self._views: dict[str, CameraView] = {}
        self._ages: dict[str, int] = {}
        graph = next(iter(engines.values())).graph
        self._channels = {spec.name: spec.row_shape[0] for spec in graph.outputs}
        self._whole = sum(self.size_hw[0] * self.size_hw[1] / 4**octave for octave in range(decision.octaves))
        self._threshold = logit_of(decision.low_score)

    def look(self, frames: Sequence[Frame], explained: Sequence[Array]) -> list[Look]:
        """Faces in one frame of each of several cameras; all their windows of a size go in one call.

        Args:
            frames: of different sequences.
            explained: for each frame the boxes `(N, 4)` where healthy tracks expect their faces, in pixels of
                the network's input.

        Raises:
            EngineError: the network gives values that are not finite; nothing of them is kept.
        """
        views, changes, jobs = [], [], list[_Job]()
        for frame, boxes in zip(frames, explained, strict=True):
            view = self.view(frame.sequence)
            age = self._ages[frame.sequence] = self._ages.get(frame.sequence, -1) + 1
            refresh = age % self.config.refresh_frames == 0
            resized = self._preprocessor.resize(frame.pixels, frame.color)
            change = view.take(resized, refresh=refresh, content_hw=self._preprocessor.content_hw(frame.pixels))
            verify = self.config.verify and age % self.config.verify_frames and not (refresh or change.cut)
            wanted = view.wanted(boxes if verify else NO_BOXES)
            for level, stale in enumerate(wanted):
                octave = view.octaves[level]
                jobs += [_Job(view, level, w) for w in cover(stale, tuple(self._engines), octave.image_hw)]
            views.append(view)
            changes.append(change)
        self._run(jobs)
        looks = []
        for view, change in zip(views, changes, strict=True):
            pixels = sum(j.window.size_hw[0] * j.window.size_hw[1] for j in jobs if j.view is view)
            looks.append(Look(self._faces(view), pixels / self._whole, change.share, change.cut))
        return looks

    def scale_xy(self, frame: Frame) -> tuple[float, float]:
        """Pixels of the network's input per pixel of a frame, across and down."""
        return self._preprocessor.scale_xy((frame.pixels.shape[0], frame.pixels.shape[1]))

    def view(self, sequence: str) -> CameraView:
        """What is remembered of a camera."""
        if sequence not in self._views:
            self._views[sequence] = CameraView(
                self.size_hw,
                octaves=self._decision.octaves,
                channels=self._channels,
                table=self._table,
                noise=self.config.noise,
            )
        return self._views[sequence]

    def forget(self, sequence: str) -> None:
        """Let go of what is remembered of a camera."""
        self._views.pop(sequence, None)
        self._ages.pop(sequence, None)

    def close(self) -> None:
        """Let go of the engines."""
        for engine in self._engines.values():
            engine.close()

    def _run(self, jobs: Sequence[_Job]) -> None:
        for size, engine in self._engines.items():
            mine = [job for job in jobs if job.window.size_hw == size]
            largest = engine.graph.batch.max
            for start in range(0, len(mine), largest):
                self._run_batch(engine, mine[start : start + largest])

    @staticmethod
    def _run_batch(engine: Engine, jobs: Sequence[_Job]) -> None:
        step = engine.bind(next(bucket for bucket in engine.graph.batch.buckets if bucket >= len(jobs)))
        images = step.inputs[IMAGE]
        for row, job in enumerate(jobs):
            images[row] = job.view.held.tensors[job.level][(slice(None), *job.window.pixels)]
        step.run()
        _check_finite(*(values[: len(jobs)] for values in step.outputs.values()))  # no comparison finds a NaN
        for row, job in enumerate(jobs):
            maps = {name: values[row] for name, values in step.outputs.items()}
            job.view.octaves[job.level].paste(job.window, maps)

    def _faces(self, view: CameraView) -> Candidates:
        parts = []
        for level, octave in enumerate(view.octaves):
            logit = np.where(octave.stale, np.float32(-np.inf), octave.maps[LOGIT][0])
            part = decode(logit, octave.maps[BOX], threshold_logit=self._threshold)
            parts.append(Candidates(part.box_xyxy * np.float32(1 << level), part.score))
        boxes = np.concatenate([part.box_xyxy for part in parts])
        scores = np.concatenate([part.score for part in parts])
        _check_finite(boxes)
        if len(scores) > _MOST_CANDIDATES:  # suppression compares each with each
            best = np.argpartition(-scores, _MOST_CANDIDATES)[:_MOST_CANDIDATES]
            best.sort()
            boxes, scores = boxes[best], scores[best]
        kept = suppress(boxes, scores, iou=self._decision.suppression_iou)
        return Candidates(boxes[kept], scores[kept])


def _check_finite(*arrays: Array) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        msg = "The detector gave values that are not finite; its weights are damaged. Export the bundle again."
        raise EngineError(msg)


def _check_size(size_hw: Size, octaves: int) -> None:
    grain = STRIDE_PX << (octaves - 1)
    if size_hw[0] % grain or size_hw[1] % grain:
        msg = f"A detector of {octaves} octaves takes images of whole multiples of {grain} px; got {list(size_hw)}."
        raise ContractError(msg)
