"""What the pipeline keeps of one camera: gate, tracker, clock, and when each face was last looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crystaledge.detection.boxes import iou_matrix
from crystaledge.detection.gate import MotionGate
from crystaledge.detections import Detections
from crystaledge.outputs.view import TrackView
from crystaledge.sources.frame import Frame
from crystaledge.tracking.config import TrackerConfig
from crystaledge.tracking.ids import TrackIds
from crystaledge.tracking.rows import Stage
from crystaledge.tracking.tracker import FaceTracker
from crystaledge.tracking.update import Update
from crystaledge.video.face_finder import Expected
from crystaledge.video.options import VideoOptions

Box = tuple[float, float, float, float]
_UNSEEN = -1e9
_OWN_IOU = 0.3
_ROUNDING_S = 1e-3
"""Times of frames are rounded."""


@dataclass(slots=True)
class Shown:
    """A face as it was last shown."""

    box_xyxy: tuple[float, float, float, float]
    quality: float | None = None
    llr: float | None = None
    looked_s: float = _UNSEEN
    """When it was last looked at by the embedder."""


@dataclass(slots=True)
class Camera:
    """State of one camera."""

    tracker: FaceTracker
    gate: MotionGate | None
    shown: dict[int, Shown] = field(default_factory=dict)
    told: set[int] = field(default_factory=set)
    """Tracks whose appearance was told, so that their end is."""
    lost: set[int] = field(default_factory=set)
    detections: Detections | None = None
    """Of the frame that is being tracked."""
    views: tuple[TrackView, ...] = ()
    """As of the last processed frame; a still frame shows the same."""
    still_s: float | None = None
    """Time of the last frame in which nothing moved since then."""
    settled: bool = True
    """Whether every live track is in view and somebody, and none is watched; others need no motion to go on."""
    steady: bool = False
    """Settled, and nobody is in view of whom it is open who it is."""
    resting: bool = False
    """The frame that arrived last is left out because nothing is open, whether or not something moved."""
    hidden: tuple[Box, ...] = ()
    """Where faces may be that `views` does not show, as of the last processed frame."""
    frame: int = 0
    """Index of the frame that arrived last."""
    processed_s: float = _UNSEEN
    now_s: float = 0.0
    gap_s: float = 0.0
    """Between the frame that arrived last and the one before it, whether or not they were processed."""

    @classmethod
    def new(cls, options: VideoOptions, config: TrackerConfig, ids: TrackIds) -> Camera:
        """A camera that has shown nothing yet."""
        gate = None if options.gate is None else MotionGate(options.gate)
        return cls(FaceTracker(config, ids), gate)

    def arrive(self, frame: Frame, *, frames_per_s: float) -> float:
        """Time of a frame; sources without a clock have one that counts frames."""
        before_s = self.now_s
        self.frame = frame.index
        self.now_s = frame.index / frames_per_s if frame.time_s is None else frame.time_s
        self.gap_s = self.now_s - before_s
        return self.now_s

    def is_due(self, frame: Frame, *, look_again_s: float, steady_every_s: float = 0.0) -> bool:
        """Whether a frame is worth processing: something moved, a track is in doubt, or it was long ago."""
        since_s = self.now_s - self.processed_s
        self.resting = self.steady and 0.0 <= since_s < steady_every_s - _ROUNDING_S
        if self.resting:
            return False
        moved = self.gate is None or self.gate.moved(frame.pixels)
        # A clock that jumps back makes the last look lie in the future.
        return moved or not self.settled or not 0.0 <= since_s < look_again_s

    def settle(self, *, open_faces: bool = False, watched_faces: bool = False) -> None:
        """After the tracker's turn: see `settled` and `steady`.

        Args:
            open_faces: somebody is in view of whom it is not decided yet who it is.
            watched_faces: somebody is being watched for a second or so, whether or not something moves.
        """
        confirmed = all(self.tracker.stage(track) == Stage.CONFIRMED for track in self.tracker.live)
        self.settled = confirmed and not watched_faces
        self.steady = self.settled and not open_faces

    def processed(self) -> None:
        """The frame that arrived last is being processed."""
        if self.still_s is not None:
            self.tracker.touch(self.tracker.live, self.still_s)
            self.still_s = None
        self.processed_s = self.now_s
        if self.gate is not None:
            self.gate.processed()

    def still(self) -> None:
        """Nothing moved: tracks stay where they are. The tracker is told when it is next needed."""
        if not self.resting:
            self.still_s = self.now_s

    def expected(self) -> Expected:
        """Where its live tracks are expected now."""
        live = self.tracker.live
        stages = [self.tracker.stage(track) for track in live]
        trusted = np.array([stage == Stage.CONFIRMED for stage in stages], bool)
        return Expected(live, self.tracker.predict(self.now_s), trusted)

    def owner_of(self, row: int) -> int | None:
        """The track in view that shows a detection of the current frame, by the boxes that were shown last.

        Tracks that are away have no say: whoever stands where they stood would be taken for them.
        """
        tracks = [track for track in self.shown if self.tracker.stage(track) in (Stage.TENTATIVE, Stage.CONFIRMED)]
        if self.detections is None or not tracks:
            return None
        last = np.array([self.shown[track].box_xyxy for track in tracks], np.float32)
        overlaps = iou_matrix(self.detections.box_xyxy[row : row + 1], last)[0]
        best = int(np.argmax(overlaps))
        return tracks[best] if overlaps[best] > _OWN_IOU else None

    def show(self, track: int, box_xyxy: NDArray[np.float32]) -> None:
        """A track is in view at a box `(4,)`."""
        x1, y1, x2, y2 = box_xyxy.tolist()
        if track in self.shown:
            self.shown[track].box_xyxy = (x1, y1, x2, y2)
        else:
            self.shown[track] = Shown((x1, y1, x2, y2))

    def notice(self, update: Update) -> None:
        """Remember what was told of whom, and who is seen where."""
        self.told.update(update.confirmed)
        if self.detections is None:
            return
        for row, track in enumerate(update.numbers.tolist()):
            if track >= 0:
                self.show(track, self.detections.box_xyxy[row])

    def candidates(self) -> tuple[Box, ...]:
        """Boxes of everything that was taken for a face, and where those who are not seen should be."""
        found = [] if self.detections is None else self.detections.box_xyxy.tolist()
        boxes = (*found, *self.tracker.predict(self.now_s).tolist())
        return tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in boxes)

    def forget(self, track: int) -> None:
        """A track is over."""
        self.shown.pop(track, None)
        self.told.discard(track)
        self.lost.discard(track)
