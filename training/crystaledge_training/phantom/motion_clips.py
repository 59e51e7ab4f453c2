"""Short films of moving faces with their true boxes, to teach the track cell: rendered from crops and backgrounds.

Each film follows `TRACKS` boxes, as a tracker would with a detector's noise: on faces, on faces that something covers
for a while, and on things that are no face.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystaledge_training.phantom.composite_scenes import CompositeScenes
from crystaledge_training.phantom.picture import Pixels

STEPS = 8
TRACKS = 3
_FACE_PX = (10.0, 64.0)
_JITTER = 0.08
"""Deviation of a detector's boxes from the truth, as a share of the size."""
_COVERED = 0.25
"""Share of films in which something passes before the first face."""


@dataclass(frozen=True, slots=True)
class MotionClip:
    """One film and the boxes that are followed in it."""

    frames: NDArray[np.uint8]
    """uint8 RGB `(T, H, W, 3)`."""
    looked_at_xyxy: NDArray[np.float32]
    """float32 `(T, N, 4)`: where the tracker looks, in pixels."""
    true_xyxy: NDArray[np.float32]
    """float32 `(T + 1, N, 4)`: where the thing is, one step further too."""
    is_face: NDArray[np.bool_]
    """bool `(T, N)`: a face is there, to be seen."""


@dataclass(frozen=True, slots=True)
class _Path:
    """Centres `(T + 1, 2)` and sides `(T + 1,)` of a crop in pixels."""

    centre: NDArray[np.float64]
    side: NDArray[np.float64]


class MotionClips:
    """Draws films.

    Args:
        faces, backgrounds: as of `CompositeScenes`.
        size_px: side of the square frames.
    """

    def __init__(self, faces: Sequence[Path], backgrounds: Sequence[Path], *, size_px: int) -> None:
        self._scenes = CompositeScenes(faces, backgrounds, size_px=size_px)
        self._size = size_px

    def draw(self, random: np.random.Generator) -> MotionClip:
        """One film; the same for the same state of `random`."""
        background = self._scenes.scenery(random, self._size * 2)
        pan = _pan(random, self._size)
        faces = [self._scenes.face(random) for _ in range(TRACKS - 1)]
        things = [*faces, self._scenes.scenery(random, 128)]
        paths = [_path(random, self._size, self._scenes.face_share) for _ in things]
        seeds = random.integers(2**31, size=len(things))
        frames, boxes = [], []
        for step in range(STEPS + 1):
            y, x = pan[step]
            frame = background[y : y + self._size, x : x + self._size].copy()
            boxes.append(
                [
                    self._scenes.paste(
                        frame,
                        thing,
                        (float(p.centre[step, 0]), float(p.centre[step, 1])),
                        float(p.side[step]),
                        seed=int(s),
                    )
                    for thing, p, s in zip(things, paths, seeds, strict=True)
                ]
            )
            frames.append(frame)
        true = np.array(boxes, np.float32)
        visible = _visible(true[:-1], self._size)
        visible[:, -1] = False
        covered = _cover(frames, true, random) if random.random() < _COVERED else np.zeros(STEPS, bool)
        visible[:, 0] &= ~covered
        return MotionClip(np.stack(frames[:-1]), _looked_at(true[:-1], random), true, visible)


def _path(random: np.random.Generator, size: int, face_share: float) -> _Path:
    """Smooth movement with a change of direction, within the frame for the most part."""
    face = float(np.exp(random.uniform(*np.log(_FACE_PX))))
    speed = random.normal(0.0, 0.08, 2) * face * (random.random() < 0.8)
    turn = random.normal(0.0, 0.02, 2) * face
    steps = np.arange(STEPS + 1)[:, None]
    centre = random.uniform(0.15, 0.85, 2) * size + steps * speed + 0.5 * steps**2 * turn * 0.3
    growth = np.exp(random.normal(0.0, 0.02) * steps[:, 0])
    return _Path(centre, face / face_share * growth)


def _pan(random: np.random.Generator, size: int) -> NDArray[np.int64]:
    """Upper left corners `(T + 1, 2)` of the camera in a background twice as large; still in half of the films."""
    start = random.uniform(0.25, 0.75, 2) * size
    speed = random.normal(0.0, 2.0, 2) * (random.random() < 0.5)
    return np.clip(start + np.arange(STEPS + 1)[:, None] * speed, 0, size).astype(np.int64)


def _looked_at(true: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """True boxes with a detector's noise."""
    sides = true[..., 2:] - true[..., :2]
    shift = random.normal(0.0, _JITTER, sides.shape) * sides
    growth = np.exp(random.normal(0.0, _JITTER, sides.shape)) * sides / 2
    centre = (true[..., :2] + true[..., 2:]) / 2 + shift
    return np.concatenate([centre - growth, centre + growth], axis=-1).astype(np.float32)


def _visible(boxes: NDArray[np.float32], size: int) -> NDArray[np.bool_]:
    """`(T, N)`: inside of the frame for the most part, and not behind a thing that was painted later."""
    sides = (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1)
    seen = (boxes.clip(0, size)[..., 2:] - boxes.clip(0, size)[..., :2]).prod(axis=-1) / sides
    visible: NDArray[np.bool_] = seen > 0.6
    count = boxes.shape[1]
    for under in range(count):
        for over in range(under + 1, count):
            low = np.maximum(boxes[:, under, :2], boxes[:, over, :2])
            high = np.minimum(boxes[:, under, 2:], boxes[:, over, 2:])
            hidden = np.clip(high - low, 0, None).prod(axis=-1) / sides[:, under]
            visible[:, under] &= hidden < 0.4
    return visible


def _cover(frames: Sequence[Pixels], true: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.bool_]:
    """Let a bar pass before the first face, and say in which of the steps it hides the face."""
    x1, x2 = true[:, 0, 0], true[:, 0, 2]
    width = (x2 - x1).mean() * random.uniform(0.8, 1.6)
    start, end = x1[0] - 2.5 * width, x2[-1] + 1.5 * width
    colour = random.uniform(0, 255, 3).astype(np.uint8)
    hidden = np.zeros(STEPS, bool)
    for step, frame in enumerate(frames):
        left = start + (end - start) * step / STEPS
        frame[:, int(max(left, 0)) : int(max(left + width, 0))] = colour
        overlap = min(left + width, x2[step]) - max(left, x1[step])
        if step < STEPS:
            hidden[step] = overlap > 0.5 * (x2[step] - x1[step])
    return hidden
