"""The one face of each of some frames, to learn a person from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crystaledge.detections import Detections
from crystaledge.errors import DataError
from crystaledge.sources.frame import Frame
from crystaledge.systems.mnemosyne_crystallizer import FaceLook
from crystaledge.video.face_crop import crop_around
from crystaledge.video.face_finder import Expected, FaceFinder

_LEARNING = "\0learning"
"""The sequence under which a face is learnt, which no camera has."""
NOBODY = Expected((), np.empty((0, 4), np.float32), np.empty(0, bool))


def lone_faces(finder: FaceFinder, frames: Iterable[Frame], *, smallest_px: float) -> Iterator[FaceLook]:
    """A look at the one face of each frame that shows one large enough.

    Raises:
        DataError: a frame shows several.
    """
    for frame in frames:
        faces = _alone(finder, frame)
        kept = (faces.score >= finder.founding_score) & (_sizes(faces.box_xyxy) >= smallest_px)
        if kept.sum() > 1:
            place = f"Frame {frame.index} of {frame.sequence}"
            msg = f"{place} shows {kept.sum()} faces; enrol from frames of one person."
            raise DataError(msg)
        for box in crop_around(faces.box_xyxy[kept]):
            yield FaceLook(frame, 0, box)


def _alone(finder: FaceFinder, frame: Frame) -> Detections:
    """Faces of one picture, without a past; a camera of that name is left alone."""
    try:
        (find,) = finder.find([replace(frame, sequence=_LEARNING)], [NOBODY])
    finally:
        finder.detector.forget(_LEARNING)
    return find.detections


def _sizes(box_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    sides = np.maximum(box_xyxy[:, 2:] - box_xyxy[:, :2], 0.0)
    sizes: NDArray[np.float32] = np.sqrt(sides[:, 0] * sides[:, 1])
    return sizes
