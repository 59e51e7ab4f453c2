"""What the check sees of a film: the crops of its main face, ten a second, found and followed as in the product."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.locate import crop
from crystaledge.sources.frame import Frame
from crystaledge.video.face_crop import crop_around
from crystaledge.video.options import VideoOptions
from crystaledge.video.pipeline import VideoPipeline

Pixels = NDArray[np.uint8]
_ROUNDING_S = 1e-3


@dataclass(frozen=True, slots=True)
class Look:
    """One crop."""

    time_s: float
    face: Pixels
    box_xyxy: tuple[float, float, float, float]


class FaceWatcher:
    """Finds and follows faces with a detector's bundle; nothing is gated, so that a still film gives looks, too.

    Faces at the border, small ones and absences, which the product leaves out, are not left out here.
    """

    def __init__(self, detector: Bundle) -> None:
        self._pipeline = VideoPipeline.of(detector, None, VideoOptions(gate=None))

    def main_face(self, frames: Iterable[Frame], *, every_s: float) -> list[Look]:
        """Looks at the track that is longest in view; none where there is none."""
        tracks: dict[int, list[Look]] = {}
        for frame in frames:
            (result,) = self._pipeline.process([replace(frame, sequence="watched")])
            for view in result.view.tracks:
                if not view.coasting:
                    tracks.setdefault(view.track, []).append(_look(frame, view.box_xyxy))
        self._pipeline.forget_camera("watched")
        return spaced(max(tracks.values(), key=len, default=[]), every_s)

    def close(self) -> None:
        """Let go of the engines."""
        self._pipeline.close()


def spaced(looks: list[Look], every_s: float) -> list[Look]:
    """Those that a watcher takes who waits so long after each."""
    taken: list[Look] = []
    for look in looks:
        if not taken or look.time_s - taken[-1].time_s >= every_s - _ROUNDING_S:
            taken.append(look)
    return taken


def _look(frame: Frame, box_xyxy: tuple[float, float, float, float]) -> Look:
    (place,) = crop_around(np.array([box_xyxy], np.float32))
    assert frame.time_s is not None
    return Look(frame.time_s, crop(frame.pixels, place).copy(), box_xyxy)
