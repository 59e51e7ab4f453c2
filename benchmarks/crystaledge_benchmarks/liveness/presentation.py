"""A photograph held up to the camera: printed, moved, seen by a sensor; never a real attack, so say so."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import DataError
from crystaledge_benchmarks.liveness.sheet_motion import AttackKind, SheetMotion, sheet_motion

Pixels = NDArray[np.uint8]
FPS = 10.0
"""Of presentations: as often as the check looks."""
_FOCAL_SIDES = 4.0
"""Focal length, and with no motion the distance of the sheet, in sides of the face."""
_CODEC = "mp4v"


@dataclass(frozen=True, slots=True, kw_only=True)
class Photograph:
    """A picture with a face."""

    person: str
    picture: Pixels
    """uint8 BGR `(H, W, 3)`."""
    centre_xy: tuple[float, float]
    side_px: float
    """Square root of the area of the face's box."""


def present(photograph: Photograph, kind: AttackKind, frames: int, generator: np.random.Generator) -> list[Pixels]:
    """Frames, at 10 a second, of a camera before which a photograph is held.

    Printing and optics blur it and change its contrast; the light flickers by a hundredth; the sensor adds noise of 1
    to 4 grey levels, more where it is bright.
    """
    motion = sheet_motion(kind, frames, fps=FPS, generator=generator)
    printed = _printed(photograph, generator)
    level = float(generator.uniform(1.0, 4.0))
    flicker = 1.0 + 0.01 * generator.normal(size=frames)
    taken = [
        _sensed(moved * flicker[number], level, generator)
        for number, moved in enumerate(_moved(printed, photograph, motion))
    ]
    return _through_codec(taken) if kind is AttackKind.COMPRESSED else taken


def _printed(photograph: Photograph, generator: np.random.Generator) -> NDArray[np.float32]:
    sigma = max(0.3, generator.uniform(0.3, 0.9) * photograph.side_px / 160.0)
    blurred = cv2.GaussianBlur(photograph.picture.astype(np.float32), (0, 0), sigma)
    gamma, gain, offset = generator.uniform([0.85, 0.85, -10.0], [1.15, 1.1, 10.0])
    contrast = 255.0 * (blurred / 255.0) ** gamma * gain + offset
    return np.asarray(np.clip(contrast, 0.0, 255.0), np.float32)


def _moved(printed: NDArray[np.float32], photograph: Photograph, motion: SheetMotion) -> Iterator[NDArray[np.float32]]:
    height, width = printed.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float64)
    for frame in range(len(motion.bend)):
        places = sheet_places(x, y, photograph, motion, frame)
        yield np.asarray(cv2.remap(printed, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.float32)


def sheet_places(
    x: NDArray[np.float64], y: NDArray[np.float64], photograph: Photograph, motion: SheetMotion, frame: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Which place of the photograph each pixel of the camera shows: rays meet a sheet, flat or rolled, in its frame."""
    side, (centre_x, centre_y) = photograph.side_px, photograph.centre_xy
    focal = _FOCAL_SIDES * side
    rotation = _rotation(motion.roll_rad[frame], motion.yaw_rad[frame], motion.pitch_rad[frame])
    seen_x = x - centre_x - motion.shift_x[frame] * side
    seen_y = y - centre_y - motion.shift_y[frame] * side
    towards = np.stack([seen_x, seen_y, np.full_like(seen_x, focal)], axis=-1) @ rotation
    camera = np.array([0.0, 0.0, -focal * motion.distance[frame]]) @ rotation
    sheet_x, sheet_y = _met(camera, towards, motion.bend[frame] / side)
    return (sheet_x + centre_x).astype(np.float32), (sheet_y + centre_y).astype(np.float32)


def _met(
    camera: NDArray[np.float64], towards: NDArray[np.float64], curvature: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where rays meet the sheet, measured along it; it is rolled around an upright cylinder that it touches at 0."""
    if abs(curvature) < 1e-9:
        away = -camera[2] / towards[..., 2]
        return camera[0] + away * towards[..., 0], camera[1] + away * towards[..., 1]
    radius = 1.0 / curvature  # signed: the cylinder's axis lies at z = radius
    from_axis = np.array([camera[0], camera[2] - radius])
    across = towards[..., [0, 2]]
    square, half = (across**2).sum(axis=-1), across @ from_axis
    root = np.sqrt(np.maximum(half**2 - square * (from_axis @ from_axis - radius**2), 0.0))
    # Of the two points on the cylinder, the one on the side that the sheet touches.
    away = np.stack([(-half - root) / square, (-half + root) / square])
    depth = camera[2] + away * towards[..., 2]
    near = np.where(np.abs(depth[0]) <= np.abs(depth[1]), away[0], away[1])
    angle = np.arctan2(camera[0] + near * towards[..., 0], np.abs(radius - (camera[2] + near * towards[..., 2])))
    return angle * abs(radius), camera[1] + near * towards[..., 1]


def _rotation(roll: float, yaw: float, pitch: float) -> NDArray[np.float64]:
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    turned: NDArray[np.float64] = about_z @ about_y @ about_x
    return turned


def _sensed(light: NDArray[np.float32], level: float, generator: np.random.Generator) -> Pixels:
    spread = np.sqrt(level**2 + 0.02 * level * np.clip(light, 0, None))
    noisy = light + spread * generator.standard_normal(light.shape, dtype=np.float32)
    return np.asarray(np.clip(np.rint(noisy), 0, 255), np.uint8)


def _through_codec(frames: list[Pixels]) -> list[Pixels]:
    height, width = (side - side % 2 for side in frames[0].shape[:2])
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "film.mp4")
        writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*_CODEC), FPS, (width, height))
        for frame in frames:
            writer.write(np.ascontiguousarray(frame[:height, :width]))
        writer.release()
        reader = cv2.VideoCapture(path)
        decoded = [np.asarray(frame, np.uint8) for found, frame in iter(reader.read, (False, None)) if found]
        reader.release()
    if len(decoded) != len(frames):
        msg = f"The codec gave {len(decoded)} of {len(frames)} frames; OpenCV writes no {_CODEC} here."
        raise DataError(msg)
    return decoded
