"""What the video pipeline made of the drawn crowd."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdFilm:
    """What the pipeline made of the film."""

    shown: tuple[NDArray[np.uint8], ...]
    """Some annotated frames, uint8 BGR `(H, W, 3)`."""
    frames: int
    people: int
    faces: int
    """True faces of all frames, those that are nearly whole in the picture."""
    found: int
    """Of them, those that a track shows."""
    false_tracks: int
    """Shown boxes that are on nobody."""
    tracks: int
    recognised_right: int
    recognised_wrong: int
    recomputed: tuple[float, ...]
    """Share of the picture that went through the network, frame by frame."""
    moving_ms: float
    """CPU time of a frame of the film."""
    still_ms: float
    """CPU time of a frame in which nothing moved."""
