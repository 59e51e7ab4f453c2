"""Squares that the hand-made detector finds and in which a drawn face is to be seen, for whoever watches faces.

The detector looks at the brightest channel, which is red and full; the face is in the other two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame
from tests.runtime.liveness.drawn import face
from tests.runtime.sources.films import write_film
from tests.runtime.video.squares import FPS, GREY

SIZE_HW = (512, 512)
SIDE = 100
"""In the frame, 25 px in the network's input."""

Pixels = NDArray[np.uint8]


def square_face(person: int = 0, *, side: int = SIDE, mouth_open: float = 0.0) -> Pixels:
    """A drawn face that is all bright red."""
    pixels = face(person, side=side, mouth_open=mouth_open)
    pixels[..., 0] = 255
    return pixels


def still(person: int = 0) -> Pixels:
    """A photograph."""
    return square_face(person)


def speaking(number: int, person: int = 0) -> Pixels:
    """Somebody alive, frame by frame."""
    return square_face(person, mouth_open=(0.0, 0.5, 1.0, 0.5)[number % 4])


def scene(*faces: tuple[int, int, Pixels], size_hw: tuple[int, int] = SIZE_HW) -> Pixels:
    """A grey picture, RGB, with faces at x, y."""
    pixels = np.full((*size_hw, 3), GREY, np.uint8)
    for x, y, picture in faces:
        pixels[y : y + len(picture), x : x + len(picture)] = picture
    return pixels


def frames_of(pictures: Iterable[Pixels], *, sequence: str = "door", first: int = 0) -> list[Frame]:
    """Ten a second."""
    return [Frame(p, ColorOrder.RGB, first + i, sequence, (first + i) / FPS) for i, p in enumerate(pictures)]


def filmed_faces(path: Path, pictures: Sequence[Pixels]) -> Path:
    """A film on disk, ten frames a second."""
    return write_film(
        path, [cv2.cvtColor(p, cv2.COLOR_RGB2BGR).astype(np.uint8) for p in pictures], codec="mp4v", fps=FPS
    )
