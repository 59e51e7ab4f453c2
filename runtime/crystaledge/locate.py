"""Seams for finding objects and following them; Phantom's detector and tracker will stand here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crystaledge.detections import Detections
from crystaledge.errors import UsageError
from crystaledge.sources.frame import Frame


class Locator(Protocol):
    """Finds objects in one frame."""

    def locate(self, frame: Frame) -> Detections:
        """Boxes in pixels of the frame."""
        ...


class Tracker(Protocol):
    """Gives each detection the number of the track it continues."""

    def update(self, frame: Frame, detections: Detections) -> NDArray[np.int64]:
        """Track numbers `(len(detections),)`, at least 0; a number is never used again for another object."""
        ...

    def resume(self, tracks: Mapping[int, str]) -> None:
        """Take up tracks of an earlier run, by number, each with the name of its sequence."""
        ...


@dataclass(frozen=True, slots=True)
class FixedBox:
    """One face at one place of every frame: for crops, and for cameras that a face is centred in.

    Raises:
        UsageError: not 0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1.
    """

    share_xyxy: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    """The box as shares of the frame's width and height."""

    def __post_init__(self) -> None:
        x1, y1, x2, y2 = self.share_xyxy
        if not (0.0 <= x1 < x2 <= 1.0 and 0.0 <= y1 < y2 <= 1.0):
            msg = f"Face box {self.share_xyxy} must be shares 0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1."
            raise UsageError(msg)

    def locate(self, frame: Frame) -> Detections:
        """The fixed box, rounded outwards to whole pixels, so that it is never empty."""
        height, width = frame.pixels.shape[:2]
        x1, y1, x2, y2 = self.share_xyxy
        box = [np.floor(x1 * width), np.floor(y1 * height), np.ceil(x2 * width), np.ceil(y2 * height)]
        return Detections(np.array([box], np.float32), np.ones(1, np.float32))


class OneTrackPerSequence:
    """The tracker of sources that show one object at a time: a new sequence is a new track.

    After `resume` a sequence of the same name continues its track, once; all others get new numbers.
    """

    def __init__(self) -> None:
        self._next = 0
        self._sequence: str | None = None
        self._track = -1
        self._earlier: dict[str, int] = {}

    def update(self, frame: Frame, detections: Detections) -> NDArray[np.int64]:
        """The sequence's track.

        Raises:
            UsageError: more than one detection.
        """
        if len(detections) > 1:
            msg = f"Frame {frame.index} has {len(detections)} detections; one track per sequence allows one."
            raise UsageError(msg)
        if frame.sequence != self._sequence:
            self._sequence = frame.sequence
            self._track = self._earlier.pop(frame.sequence, self._next)
            self._next = max(self._next, self._track + 1)
        return np.full(len(detections), self._track, np.int64)

    def resume(self, tracks: Mapping[int, str]) -> None:
        """Continue these tracks where their sequences go on; see the class."""
        self._earlier = {sequence: track for track, sequence in tracks.items()}
        self._next = max(tracks, default=-1) + 1


def crop(pixels: NDArray[np.uint8], box_xyxy: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The part of a frame `(H, W, 3)` inside a box, clamped to the frame; a view, empty where they do not meet."""
    height, width = pixels.shape[:2]
    x1, x2 = (int(v) for v in np.clip(np.rint(box_xyxy[[0, 2]]), 0, width))
    y1, y2 = (int(v) for v in np.clip(np.rint(box_xyxy[[1, 3]]), 0, height))
    return pixels[y1:y2, x1:x2]


def inside(detections: Detections, pixels: NDArray[np.uint8]) -> Detections:
    """The detections that show at least one pixel of the frame."""
    kept = [row for row, box in enumerate(detections.box_xyxy) if crop(pixels, box).size]
    if len(kept) == len(detections):
        return detections
    return Detections(detections.box_xyxy[kept], detections.score[kept])
