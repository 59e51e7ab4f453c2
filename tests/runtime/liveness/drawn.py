"""Drawn faces, and what can be done to a photograph of one."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from crystaledge.scene.person import draw_person
from crystaledge.scene.render import Pose, render_face

Picture = NDArray[np.uint8]
SIDE = 192
PEOPLE = (0, 1, 3)
CORNERS = ((0.03, 0.02), (-0.02, 0.04), (-0.03, -0.02), (0.01, -0.03))
"""Where a tilted sheet's corners go, as shares of the side."""


def face(
    person: int = 0, *, side: int = SIDE, mouth_open: float = 0.0, blink: float = 0.0, turn: float = 0.0
) -> Picture:
    """A drawn face, RGB."""
    pose = Pose(mouth_open=mouth_open, blink=blink, turn=turn)
    drawn = render_face(draw_person(person), pose, side=side, background=(118.0, 124.0, 132.0))
    return np.clip(np.rint(drawn), 0, 255).astype(np.uint8)


def held(
    photograph: Picture, *, degrees: float = 0.0, zoom: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)
) -> Picture:
    """The photograph turned in its plane, nearer or farther, and moved by shares of its side."""
    side = len(photograph)
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), degrees, zoom)
    matrix[:, 2] += np.array(shift) * side
    return _uint8(cv2.warpAffine(photograph, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE))


def tilted(photograph: Picture) -> Picture:
    """The photograph seen at an angle."""
    side = len(photograph)
    before = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    after = before + np.array(CORNERS, np.float32)
    matrix = cv2.getPerspectiveTransform(before * side, after * side)
    return _uint8(cv2.warpPerspective(photograph, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE))


def bent(photograph: Picture, share: float = 0.03) -> Picture:
    """The photograph rolled about its upright axis."""
    side = len(photograph)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    roll = (share * side * ((x - side / 2) / (side / 2)) ** 2).astype(np.float32)
    return _uint8(cv2.remap(photograph, x + roll, y + 0.3 * roll, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def lit(photograph: Picture, *, factor: float = 0.8, ramp: float = 12.0) -> Picture:
    """In darker light that comes from one side."""
    return _uint8(photograph * factor + np.linspace(-ramp, ramp, len(photograph))[None, :, None])


def noisy(photograph: Picture, *, grey: float = 6.0, seed: int = 0) -> Picture:
    """As a sensor sees it; `grey` is the standard deviation."""
    return _uint8(photograph + np.random.default_rng(seed).normal(0, grey, photograph.shape))


SHEETS: dict[str, Callable[[Picture], Picture]] = {
    "moved": lambda photograph: held(photograph, shift=(0.05, 0.03)),
    "rotated": lambda photograph: held(photograph, degrees=6.0),
    "nearer": lambda photograph: held(photograph, zoom=1.07),
    "tilted": tilted,
    "bent": bent,
    "in other light": lit,
    "noisy": noisy,
    "all at once": lambda photograph: noisy(lit(tilted(bent(photograph, 0.02)), factor=0.85, ramp=8.0), grey=4.0),
}


def _uint8(pixels: NDArray[np.float64] | NDArray[np.uint8] | cv2.typing.MatLike) -> Picture:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
