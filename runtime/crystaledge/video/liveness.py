"""Which faces of all cameras are alive: when each is watched, and what is said when that changes. Needs OpenCV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from crystaledge.liveness.config import PhotoCheckConfig
from crystaledge.liveness.photo_check import PhotoCheck
from crystaledge.liveness.result import Liveness, LivenessResult
from crystaledge.locate import crop
from crystaledge.sources.frame import Frame
from crystaledge.tracking.rows import Stage
from crystaledge.video.camera import Box, Camera
from crystaledge.video.events import FaceEvent, FaceTurn
from crystaledge.video.face_crop import crop_around, seen_share, size_px
from crystaledge.video.identities import Seen

_ROUNDING_S = 1e-3
"""Times of frames are rounded."""
_WHOLE_SHARE = 0.85
"""Of the box inside the frame; a face that is cut off moves against the border."""


class LivenessWatch:
    """Watches faces in windows of looks, with rests between them."""

    def __init__(self, config: PhotoCheckConfig) -> None:
        self._config = config
        self._check = PhotoCheck(config)
        self._looked_s: dict[int, float] = {}
        self._away_s: dict[int, float] = {}
        """Since when a track that was watched is not seen."""

    def look(self, seen: Sequence[Seen], shown: Sequence[tuple[Camera, Frame]]) -> list[FaceEvent]:
        """Look at those of the tracks that are due, and report whose verdict has changed.

        Args:
            shown: all frames that were processed, also those that show nobody.
        """
        present = frozenset(one.track for one in seen)
        turns = [turn for camera, frame in shown for turn in self._attend(camera, frame, present)]
        looks = (self._look(one) for one in seen if self._is_due(one))
        return [*turns, *(turn for turn in looks if turn is not None)]

    def result(self, track: int) -> LivenessResult:
        """What is known of a track."""
        return self._check.result(track)

    def is_open(self, track: int, now_s: float) -> bool:
        """Whether a face is amid a window and looked at, so that frames are worth processing in which nothing moves."""
        looked_s = self._looked_s.get(track)
        recently = looked_s is not None and 0.0 <= now_s - looked_s < self._config.absent_s
        return recently and self._check.is_amid(track)

    def end(self, track: int) -> None:
        """A track is over."""
        self._forget(track)
        self._away_s.pop(track, None)

    def _attend(self, camera: Camera, frame: Frame, present: frozenset[int]) -> Iterator[FaceEvent]:
        """Who was away for a while may be somebody else, or a photograph: what was known of them is not any more."""
        for track in camera.shown:
            stage = camera.tracker.stage(track)
            if stage in (Stage.COASTING, Stage.LOST) or (stage is Stage.TENTATIVE and track not in present):
                since_s = self._away_s.setdefault(track, camera.now_s)
            else:
                since_s = self._away_s.pop(track, camera.now_s)
            absent_s = self._config.absent_s - _ROUNDING_S
            # A stream that stalls shows nobody either.
            if camera.gap_s >= absent_s or not 0.0 <= camera.now_s - since_s < absent_s:
                before = self._check.result(track).verdict
                self._forget(track)
                if before is not Liveness.UNKNOWN:
                    yield _event(frame, camera, track, None, self._check.result(track))
            elif camera.now_s - self._looked_s.get(track, camera.now_s) >= 2 * self._config.absent_s:
                self._check.abandon(track)  # in view, but cut off or too small to be looked at

    def _forget(self, track: int) -> None:
        self._check.end(track)
        self._looked_s.pop(track, None)

    def _is_due(self, one: Seen) -> bool:
        box = one.box_xyxy
        if size_px(box.tolist()) < self._config.smallest_px:
            return False
        if seen_share(box[None], one.frame.pixels.shape[:2])[0] < _WHOLE_SHARE:
            return False
        looked_s = self._looked_s.get(one.track)
        return looked_s is None or not 0.0 <= one.camera.now_s - looked_s < self._wait_s(one.track) - _ROUNDING_S

    def _wait_s(self, track: int) -> float:
        if self._check.is_amid(track):
            return self._config.every_s
        rests = {Liveness.LIVE: self._config.alive_rest_s, Liveness.PHOTOGRAPH: self._config.photograph_rest_s}
        return rests.get(self._check.result(track).verdict, self._config.every_s)

    def _look(self, one: Seen) -> FaceEvent | None:
        before = self._check.result(one.track).verdict
        (place,) = crop_around(one.box_xyxy[None])
        result = self._check.look(one.track, np.ascontiguousarray(crop(one.frame.pixels, place)))
        self._looked_s[one.track] = one.camera.now_s
        x1, y1, x2, y2 = one.box_xyxy.tolist()
        turn = _event(one.frame, one.camera, one.track, (x1, y1, x2, y2), result)
        return None if result.verdict is before else turn


def _event(frame: Frame, camera: Camera, track: int, box_xyxy: Box | None, result: LivenessResult) -> FaceEvent:
    return FaceEvent(
        frame=frame.index,
        sequence=frame.sequence,
        track=track,
        turn=FaceTurn.LIVENESS,
        time_s=camera.now_s,
        box_xyxy=box_xyxy,
        liveness=result,
    )
