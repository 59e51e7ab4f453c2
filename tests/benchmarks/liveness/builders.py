"""Drawn photographs, and windows that say what they are: nobody real."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.scene.person import draw_person
from crystaledge.scene.render import Pose, render_face
from crystaledge.sources.frame import Frame
from crystaledge_benchmarks.liveness.looks import Look
from crystaledge_benchmarks.liveness.presentation import Photograph
from crystaledge_benchmarks.liveness.sheet_motion import AttackKind, SheetMotion
from crystaledge_benchmarks.liveness.windows import Window

Pixels = NDArray[np.uint8]
BOX = (10.0, 20.0, 40.0, 50.0)


def drawn_face(person: int = 0, *, side: int = 96, mouth_open: float = 0.0) -> Pixels:
    """A drawn face, BGR."""
    drawn = render_face(draw_person(person), Pose(mouth_open=mouth_open), side=side, background=(118.0, 124.0, 132.0))
    return np.ascontiguousarray(np.clip(np.rint(drawn), 0, 255).astype(np.uint8)[:, :, ::-1])


def photograph_of(picture: Pixels, *, person: str = "somebody") -> Photograph:
    """A photograph whose face is in the middle and two thirds as large."""
    height, width = picture.shape[:2]
    return Photograph(person=person, picture=picture, centre_xy=(width / 2, height / 2), side_px=height * 2 / 3)


def plain(grey: int, *, size_hw: tuple[int, int] = (48, 64)) -> Photograph:
    """A photograph of nothing."""
    return photograph_of(np.full((*size_hw, 3), grey, np.uint8))


def held(
    *,
    shift_x: float = 0.0,
    shift_y: float = 0.0,
    roll_rad: float = 0.0,
    yaw_rad: float = 0.0,
    pitch_rad: float = 0.0,
    distance: float = 1.0,
    bend: float = 0.0,
) -> SheetMotion:
    """One frame of a motion."""
    values = (shift_x, shift_y, roll_rad, yaw_rad, pitch_rad, distance, bend)
    return SheetMotion(*(np.array([value]) for value in values))


def look_at(face: Pixels, time_s: float, *, box_xyxy: tuple[float, float, float, float] = BOX) -> Look:
    """One crop."""
    return Look(time_s, face, box_xyxy)


def frames_saying(values: Sequence[int], *, fps: float = 10.0) -> list[Frame]:
    """Frames whose pixels are all of one value, each of its own."""
    return [
        Frame(np.full((64, 64, 3), value, np.uint8), ColorOrder.BGR, index, "camera", index / fps)
        for index, value in enumerate(values)
    ]


def window(
    motion_px: float | None,
    kind: AttackKind | None = None,
    *,
    person: str = "p",
    states: NDArray[np.float64] | None = None,
) -> Window:
    """A window of one motion."""
    walk = np.ones((10, 3)) if states is None else states
    return Window(person=person, kind=kind, motion_px=motion_px, states=walk, side_px=60.0)


def walk(seed: int, looks: int = 10, width: int = 4) -> NDArray[np.float64]:
    """States that wander about."""
    return np.random.default_rng(seed).normal(size=(looks, width)).cumsum(axis=0)
