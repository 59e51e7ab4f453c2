"""A detector behind the rules of a video recorder: it looks where something moves, and now and then at what is still.

After Frigate (blakeblackshear/frigate, MIT). It runs its detector once for each region; here the whole frame is looked
at once in its stead, which is cheaper for it and the same detector in the same place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.detection.boxes import iou_matrix
from crystaledge.sources.frame import Frame
from crystaledge_benchmarks.video.dense_look import DenseLook
from crystaledge_benchmarks.video.motion_boxes import MotionBoxes
from crystaledge_benchmarks.video.overlap import as_boxes

Array = NDArray[np.float32]

_STILL_FRAMES = 50
"""An object that did not move for so long is still, ..."""
_RECHECK_FRAMES = 50
"""... and looked at again after so long."""
_PATIENCE_FRAMES = 25
"""One that was not seen for so long is gone."""
_SAME_IOU, _UNMOVED_IOU = 0.3, 0.6


@dataclass(slots=True)
class _Object:
    box_xyxy: Array
    anchor_xyxy: Array
    """Where it came to rest."""
    still_frames: int = 0
    unchecked_frames: int = 0
    missed_frames: int = 0

    @property
    def is_still(self) -> bool:
        return self.still_frames >= _STILL_FRAMES

    @property
    def wants_look(self) -> bool:
        return not self.is_still or self.unchecked_frames >= _RECHECK_FRAMES

    def seen_at(self, box: Array) -> None:
        unmoved = iou_matrix(box[None], self.anchor_xyxy[None])[0, 0] >= _UNMOVED_IOU
        self.still_frames = self.still_frames if unmoved else 0
        self.anchor_xyxy = self.anchor_xyxy if unmoved else box
        self.box_xyxy, self.unchecked_frames, self.missed_frames = box, 0, 0


class MotionRules:
    """Of one camera."""

    def __init__(self, detect: DenseLook) -> None:
        self._detect = detect
        self._motion = MotionBoxes()
        self._objects: list[_Object] = []
        self._started = False
        self.looks = 0

    def see(self, frame: Frame) -> None:
        """Take in one frame."""
        moved = self._motion(frame.pixels)
        for thing in self._objects:
            thing.still_frames += 1
            thing.unchecked_frames += 1
        begins, self._started = not self._started, True  # with a scan of everything, as recorders do
        if begins or self._is_unexplained(moved) or any(thing.wants_look for thing in self._objects):
            self.looks += 1
            self._take(self._detect(frame).box_xyxy)

    def reported(self) -> Array:
        """Boxes `(N, 4)` of what is in view."""
        return as_boxes([thing.box_xyxy for thing in self._objects if not thing.missed_frames])

    def _is_unexplained(self, moved: Array) -> bool:
        """Whether something moved anywhere but inside of a still object."""
        still = as_boxes([thing.box_xyxy for thing in self._objects if thing.is_still])
        inside = (moved[:, None, :2] >= still[None, :, :2]) & (moved[:, None, 2:] <= still[None, :, 2:])
        explained = np.any(np.all(inside, axis=2), axis=1)
        return not bool(np.all(explained))

    def _take(self, boxes: Array) -> None:
        free = np.ones(len(boxes), bool)
        for thing in self._objects:
            overlaps = np.where(free, iou_matrix(thing.box_xyxy[None], boxes)[0], 0.0)
            if len(boxes) and overlaps.max() >= _SAME_IOU:
                best = int(overlaps.argmax())
                free[best] = False
                thing.seen_at(boxes[best])
            else:
                thing.missed_frames += 1
        self._objects = [thing for thing in self._objects if thing.missed_frames < _PATIENCE_FRAMES]
        self._objects += [_Object(box, box) for box in boxes[free]]
