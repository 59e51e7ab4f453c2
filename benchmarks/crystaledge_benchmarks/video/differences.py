"""Who sees faces that the other does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge_benchmarks.video.overlap import covered

Array = NDArray[np.float32]
IOU = 0.3
SAME_SHARE = 0.05
"""Two that see the same lack at most so many of each other's faces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """Between our tracks and a peer's detector on one clip."""

    peer: str
    peer_faces: int
    peer_alone: int
    """Faces of the peer that no track of ours covers."""
    peer_alone_frames: tuple[int, ...]
    """Frames with such faces."""
    our_faces: int
    our_alone: int
    """Tracks in view that no face of the peer covers, counted in each frame."""
    our_alone_frames: tuple[int, ...]

    @property
    def same(self) -> bool:
        """Whether both see the same faces, nearly, so that their costs can be compared."""
        seen = min(self.peer_faces, self.our_faces) > 0
        fits = self.peer_alone <= SAME_SHARE * self.peer_faces and self.our_alone <= SAME_SHARE * self.our_faces
        return seen and fits


def differences(peer: str, theirs: Sequence[Array], ours: Sequence[Array]) -> Differences:
    """Frame by frame, boxes `(N, 4)` of both sides."""
    pairs = list(zip(theirs, ours, strict=False))
    missed = [int((~covered(a, b, iou=IOU)).sum()) for a, b in pairs]
    extra = [int((~covered(b, a, iou=IOU)).sum()) for a, b in pairs]
    return Differences(
        peer=peer,
        peer_faces=sum(len(a) for a, _ in pairs),
        peer_alone=sum(missed),
        peer_alone_frames=tuple(frame for frame, count in enumerate(missed) if count),
        our_faces=sum(len(b) for _, b in pairs),
        our_alone=sum(extra),
        our_alone_frames=tuple(frame for frame, count in enumerate(extra) if count),
    )
