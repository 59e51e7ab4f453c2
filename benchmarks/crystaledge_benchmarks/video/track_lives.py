"""How long tracks live, and how often a face goes on under another number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.detection.boxes import iou_matrix
from crystaledge_benchmarks.video.watched import Said

BREAK_S = 0.5
NEAR_IOU = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Lives:
    """Of one clip."""

    born: int
    confirmed: int
    mean_frames: float
    """In view, of confirmed tracks."""
    fragments: int
    """Confirmed tracks that stop while a face goes on at their place within half a second under a new number."""
    recovered: int
    """Returns from coasting or from being lost."""
    merged: int
    """Tracks that turned out to be an older one."""
    cuts: int


@dataclass(frozen=True, slots=True)
class Life:
    """Where a track was seen."""

    track: int
    first: int
    """Index of the frame."""
    last: int
    frames: int
    box_xyxy: NDArray[np.float32]
    """`(4,)`, last."""


def lives_of(said: Sequence[Said]) -> Lives:
    """Counted over a clip."""
    lives = seen_lives(said)
    confirmed = {track for one in said for track in one.update.confirmed}
    kept = [life for life in lives.values() if life.track in confirmed]
    merged = {ended for one in said for ended, _ in one.update.merged}
    return Lives(
        born=sum(len(one.update.born) for one in said),
        confirmed=len(confirmed),
        mean_frames=sum(life.frames for life in kept) / max(len(kept), 1),
        fragments=sum(life.track not in merged and _breaks(life, lives, said) for life in kept),
        recovered=sum(len(one.update.recovered) for one in said),
        merged=len(merged),
        cuts=sum(one.cut for one in said),
    )


def seen_lives(said: Sequence[Said]) -> dict[int, Life]:
    """Of every track that was ever seen."""
    lives: dict[int, Life] = {}
    for frame, one in enumerate(said):
        for row, track in enumerate(one.update.numbers.tolist()):
            if track >= 0:
                old = lives.get(track)
                first, count = (frame, 0) if old is None else (old.first, old.frames)
                lives[track] = Life(track, first, frame, count + 1, one.box_xyxy[row])
    return lives


def _breaks(life: Life, lives: dict[int, Life], said: Sequence[Said]) -> bool:
    """Whether a track that was not seen before goes on where this one stopped; a cut excuses it."""
    for frame in range(life.last + 1, len(said)):
        one = said[frame]
        if one.cut or one.time_s - said[life.last].time_s > BREAK_S:
            return False
        new = [row for row, t in enumerate(one.update.numbers.tolist()) if t >= 0 and lives[t].first > life.last]
        if (iou_matrix(life.box_xyxy[None], one.box_xyxy[new]) >= NEAR_IOU).any():
            return True
    return False
