"""Seams for finding objects and following them; Phantom's detector and tracker will stand here."""

from __future__ import annotations

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
        """Track numbers `(len(detections),)`; a number is never used again for another object."""
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
    """The tracker of sources that show one object at a time: a new sequence is a new track."""

    def __init__(self, *, first: int = 0) -> None:
        self._next = first
        self._sequence: str | None = None

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
            self._next += 1
        return np.full(len(detections), self._next - 1, np.int64)


def crop(pixels: NDArray[np.uint8], box_xyxy: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The part of a frame `(H, W, 3)` inside a box, clamped to the frame; a view."""
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = (int(v) for v in np.rint(box_xyxy))
    return pixels[max(y1, 0) : min(y2, height), max(x1, 0) : min(x2, width)]
