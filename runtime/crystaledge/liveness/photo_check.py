"""Tells a still photograph that is held up to the camera from a face, track by track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crystaledge.liveness.config import PhotoCheckConfig
from crystaledge.liveness.result import Liveness, LivenessResult, undecided
from crystaledge.liveness.unexplained_motion import FaceReference


@dataclass(slots=True)
class _Watched:
    """What is kept of one track."""

    reference: FaceReference | None
    """None when the window is full: a picture of a face is kept no longer than it is needed."""
    looks: int = 1
    motions_px2: list[float] = field(default_factory=list)
    result: LivenessResult | None = None
    """Of the last full window."""


class PhotoCheck:
    """Collects looks at faces; each full window of them gives a verdict, which stands until the next.

    Of each window the first look is kept, the picture of a face, reduced, until the window is full.
    """

    def __init__(self, config: PhotoCheckConfig) -> None:
        self.config = config
        self._watched: dict[int, _Watched] = {}

    def look(self, track: int, face: NDArray[np.uint8]) -> LivenessResult:
        """Take one look at a track.

        Args:
            face: uint8 `(H, W, 3)`, a square crop around the face, cut as for an embedder.
        """
        watched = self._watched.get(track)
        if watched is None or watched.reference is None:
            result = None if watched is None else watched.result
            self._watched[track] = _Watched(FaceReference(face), result=result)
        else:
            self._compare(watched, watched.reference, face)
        return self.result(track)

    def result(self, track: int) -> LivenessResult:
        """What is known of a track."""
        watched = self._watched.get(track)
        if watched is None:
            return undecided(self.config.threshold_px)
        return watched.result or undecided(self.config.threshold_px)

    def is_amid(self, track: int) -> bool:
        """Whether a window has begun and is not full."""
        watched = self._watched.get(track)
        return watched is not None and watched.reference is not None

    def abandon(self, track: int) -> None:
        """The window that a track is amid came to nothing; the last verdict stands."""
        watched = self._watched.get(track)
        if watched is not None:
            watched.reference = None

    def end(self, track: int) -> None:
        """Forget a track; one that is unknown is forgotten already."""
        self._watched.pop(track, None)

    def _compare(self, watched: _Watched, reference: FaceReference, face: NDArray[np.uint8]) -> None:
        motion = reference.unexplained_px2(face)
        watched.looks += 1
        if motion is not None:
            watched.motions_px2.append(motion)
        if watched.looks == self.config.looks:
            watched.result = judged(watched.motions_px2, self.config, before=watched.result)
            watched.reference = None


def judged(
    motions_px2: Sequence[float], config: PhotoCheckConfig, *, before: LivenessResult | None = None
) -> LivenessResult:
    """The verdict of one window.

    Args:
        motions_px2: of those looks that could be compared.
        before: what the window before this one gave.
    """
    windows = 1 if before is None else before.windows + 1
    if len(motions_px2) < config.least_compared:
        return LivenessResult(
            verdict=Liveness.UNKNOWN, motion_px=None, threshold_px=config.threshold_px, windows=windows
        )
    motion_px = float(np.sqrt(np.quantile(motions_px2, config.quantile)))
    return LivenessResult(
        verdict=Liveness.LIVE if motion_px >= config.threshold_px else Liveness.PHOTOGRAPH,
        motion_px=motion_px,
        threshold_px=config.threshold_px,
        windows=windows,
    )
