"""Draws a person's face into a square picture with soft-edged ellipses, in numpy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.scene.person import Person

Picture = NDArray[np.float32]
Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """What changes from frame to frame. Shifts are shares of the picture's side."""

    shift_x: float = 0.0
    shift_y: float = 0.0
    scale: float = 1.0
    tilt_rad: float = 0.0
    turn: float = 0.0
    """-1 to 1: inner parts of the face move sideways against its outline."""
    mouth_open: float = 0.0
    blink: float = 0.0


class Canvas:
    """A square picture in face coordinates: x to the right, y down, the face about 1 high."""

    def __init__(self, side: int, pose: Pose, background: Colour) -> None:
        axis = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
        x, y = np.meshgrid(axis - np.float32(pose.shift_x), axis - np.float32(pose.shift_y))
        cos, sin = np.float32(np.cos(pose.tilt_rad)), np.float32(np.sin(pose.tilt_rad))
        zoom = np.float32(1.06 / pose.scale)
        self.x: Picture = ((x * cos + y * sin) * zoom).astype(np.float32)
        self.y: Picture = ((y * cos - x * sin) * zoom + 0.5).astype(np.float32)
        self._soft = np.float32(side / zoom)
        self.pixels: Picture = np.empty((side, side, 3), np.float32)
        self.pixels[...] = background
        self.pixels += (self.y * 25.0 - 12.0)[..., None]

    def blend(self, mask: Picture, colour: Colour) -> None:
        """Paint `colour` where `mask`, in [0, 1], says so."""
        self.pixels += mask[..., None] * (np.asarray(colour, np.float32) - self.pixels)

    def ellipse(self, x: float, y: float, half_w: float, half_h: float) -> Picture:
        """Coverage of an ellipse, with an edge about one pixel wide."""
        radius = np.sqrt(((self.x - x) / half_w) ** 2 + ((self.y - y) / half_h) ** 2)
        return np.clip((1.0 - radius) * (min(half_w, half_h) * self._soft) + 0.5, 0.0, 1.0).astype(np.float32)


def shade_of(colour: Colour, factor: float) -> Colour:
    """A colour made darker or lighter."""
    red, green, blue = (min(255.0, c * factor) for c in colour)
    return red, green, blue


def render_face(person: Person, pose: Pose, *, side: int, background: Colour) -> Picture:
    """float32 RGB `(side, side, 3)`, roughly in [0, 255], without camera effects."""
    canvas = Canvas(side, pose, background)
    offset = 0.06 * pose.turn
    _outline(canvas, person, offset)
    _eyes(canvas, person, pose, offset)
    _nose_and_mouth(canvas, person, pose, offset)
    _light(canvas, pose)
    return canvas.pixels


def _outline(canvas: Canvas, person: Person, offset: float) -> None:
    half = person.width / 2
    canvas.blend(canvas.ellipse(0.0, 1.12, 0.55, 0.25), person.cloth)
    canvas.blend(canvas.ellipse(0.0, 0.9, half * 0.55, 0.22), shade_of(person.skin, 0.85))
    canvas.blend(canvas.ellipse(0.0, 0.42, half * 1.13, 0.42 + 0.2 * person.hair_sides), person.hair)
    face = np.maximum(
        canvas.ellipse(0.0, 0.46, half, 0.40),
        canvas.ellipse(0.0, 0.68, half * (0.55 + 0.4 * person.jaw), 0.26),
    )
    canvas.blend(face, person.skin)
    if person.beard > 0:
        jaw = canvas.ellipse(offset, 0.82, half * 0.9, 0.2) * face * np.float32(person.beard)
        canvas.blend(jaw, person.hair)
    top = face * np.clip((person.hairline - canvas.y) * 40.0, 0.0, 1.0).astype(np.float32)
    canvas.blend(top, person.hair)


def _eyes(canvas: Canvas, person: Person, pose: Pose, offset: float) -> None:
    opening = person.eye_size * 0.6 * (1.0 - 0.85 * pose.blink)
    for side in (-1.0, 1.0):
        x, y = side * person.eye_gap + offset, person.eye_height
        canvas.blend(canvas.ellipse(x, y, person.eye_size, opening), (240.0, 238.0, 235.0))
        canvas.blend(canvas.ellipse(x + offset * 0.3, y, opening * 0.8, opening * 0.95), (45.0, 32.0, 26.0))
        brow = canvas.ellipse(x, y - 0.085, person.eye_size * 1.35, person.brow_weight)
        canvas.blend(brow, shade_of(person.hair, 0.8))
        if person.glasses:
            outer = canvas.ellipse(x, y, person.eye_size * 1.75, person.eye_size * 1.45)
            inner = canvas.ellipse(x, y, person.eye_size * 1.5, person.eye_size * 1.2)
            canvas.blend(outer - inner, (35.0, 35.0, 40.0))


def _nose_and_mouth(canvas: Canvas, person: Person, pose: Pose, offset: float) -> None:
    tip = person.eye_height + person.nose_length
    canvas.blend(canvas.ellipse(offset * 1.4, tip, person.nose_width, 0.028), shade_of(person.skin, 0.78))
    bridge = canvas.ellipse(offset * 1.2 - 0.02, tip - 0.09, person.nose_width * 0.45, 0.09)
    canvas.blend(bridge * np.float32(0.5), shade_of(person.skin, 1.12))
    lips = (min(255.0, person.skin[0] * 0.85), person.skin[1] * 0.55, person.skin[2] * 0.55)
    height = person.lip + 0.03 * pose.mouth_open
    canvas.blend(canvas.ellipse(offset, person.mouth_height, person.mouth_width, height), lips)
    if pose.mouth_open > 0.2:
        gap = 0.025 * pose.mouth_open
        canvas.blend(canvas.ellipse(offset, person.mouth_height, person.mouth_width * 0.7, gap), (50.0, 20.0, 22.0))


def _light(canvas: Canvas, pose: Pose) -> None:
    gradient = 1.0 + 0.25 * np.clip(canvas.x * (0.6 + pose.turn), -1.0, 1.0)
    canvas.pixels *= gradient[..., None].astype(np.float32)
