"""A drawn place that drawn people walk through, leave and come back to, as one camera sees it; with the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import UsageError
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.scene.person import Person, draw_person
from crystaledge.scene.render import Pose, render_face
from crystaledge.sources.frame import Frame

_FACE_IN_DRAWING = (0.164, 0.156, 0.836, 0.953)
"""Where the face lies in a drawing of it, as in the crops that embedders know."""
_GROUND = (110.0, 110.0, 110.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdConfig:
    """What happens. Equal configurations give equal films.

    Raises:
        UsageError: a number that is too small to film.
    """

    people: int = 3
    frames: int = 240
    size_hw: tuple[int, int] = (240, 320)
    frames_per_s: float = 15.0
    seed: int = 7
    noise: float = 2.0
    """Standard deviation of the sensor in grey levels."""
    still: bool = False
    """Nobody moves."""

    def __post_init__(self) -> None:
        if min(self.people, self.frames) < 1 or min(self.size_hw) < 64 or self.frames_per_s <= 0:
            msg = f"A crowd needs people, frames, at least 64 px a side and a frame rate above 0; got {self}."
            raise UsageError(msg)


@dataclass(frozen=True, slots=True)
class CrowdTruth:
    """Who is where in one frame."""

    people: tuple[int, ...]
    box_xyxy: NDArray[np.float32]
    """Whole faces, float32 `(len(people), 4)` in pixels; they may reach out of the frame."""


class CrowdSource:
    """The place as a source of frames, RGB, with a clock.

    Args:
        only: film this person alone, near the middle of the picture: for enrolment.
    """

    def __init__(self, config: CrowdConfig, *, only: int | None = None, sequence: str = "crowd") -> None:
        self.config = config
        self._only = only
        self._sequence = sequence
        self._people = [draw_person(config.seed * 1000 + number) for number in range(config.people)]
        self._background = _background(config)

    def __iter__(self) -> Iterator[Frame]:
        for frame, _ in self.films():
            yield frame

    def films(self) -> Iterator[tuple[Frame, CrowdTruth]]:
        """Each frame with its truth."""
        config = self.config
        random = np.random.default_rng((0xC0D, config.seed, 0 if self._only is None else 1 + self._only))
        for index in range(config.frames):
            picture = self._background.copy()
            places = [(number, *self._place(number, 0 if config.still else index)) for number in self._shown()]
            here = [place for place in places if _touches(place, config.size_hw)]
            for number, x, y, side in sorted(here, key=lambda place: place[3]):  # the nearer, the larger, the later
                _draw(picture, self._people[number], (x, y), side, 0 if config.still else index, number)
            seen = picture + random.normal(0.0, config.noise, picture.shape)
            pixels = np.clip(np.rint(seen), 0, 255).astype(np.uint8)
            boxes = np.array([_box(x, y, side) for _, x, y, side in here], np.float32).reshape(-1, 4)
            frame = Frame(pixels, ColorOrder.RGB, index, self._sequence, index / config.frames_per_s)
            yield frame, CrowdTruth(tuple(place[0] for place in here), boxes)

    def _shown(self) -> range:
        return range(self.config.people) if self._only is None else range(self._only, self._only + 1)

    def _place(self, number: int, index: int) -> tuple[float, float, float]:
        """Centre and side of a person's drawing in pixels: to and fro, and out of the picture at each turn."""
        height, width = self.config.size_hw
        random = np.random.default_rng((0x9ACE, self.config.seed, number))
        side = float(random.uniform(0.3, 0.42) * height)
        lane = (number + 0.5) / self.config.people
        y = height * (0.3 + 0.4 * lane) + 0.02 * height * np.sin(0.3 * index + number)
        if self._only is not None:
            return width / 2 + 0.05 * width * float(np.sin(0.2 * index)), float(y), side
        phase, pace = random.uniform(0.0, 2.0 * np.pi), random.uniform(0.025, 0.045)
        x = width * (0.5 + 0.72 * np.sin(phase + pace * index))
        return float(x), float(y), side


def _background(config: CrowdConfig) -> NDArray[np.float32]:
    """A wall with soft stains, and things that stand before it."""
    height, width = config.size_hw
    random = np.random.default_rng((0xB6, config.seed))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    picture = np.stack([110.0 + 30.0 * y / height, 115.0 + 25.0 * x / width, 125.0 - 20.0 * y / height], axis=2)
    for _ in range(10):
        left, top = random.uniform(0, width), random.uniform(0.2 * height, height)
        wide, high = random.uniform(0.05, 0.25) * width, random.uniform(0.05, 0.3) * height
        inside = (np.abs(x - left) < wide / 2) & (np.abs(y - top) < high / 2)
        picture[inside] = random.uniform(40.0, 190.0, 3)
    return picture.astype(np.float32)


def _draw(
    picture: NDArray[np.float32], person: Person, centre: tuple[float, float], side: float, index: int, number: int
) -> None:
    """Blend a person's face into a picture; parts outside of it are cut off."""
    whole = round(side)
    wave = np.sin(np.array([0.11, 0.07, 0.13]) * index + number)
    pose = Pose(turn=float(0.6 * wave[0]), tilt_rad=float(0.08 * wave[1]), mouth_open=max(0.0, float(wave[2])))
    drawn = render_face(person, pose, side=whole, background=_GROUND)
    left, top = round(centre[0] - side / 2), round(centre[1] - side / 2)
    height, width = picture.shape[:2]
    rows, columns = slice(max(top, 0), min(top + whole, height)), slice(max(left, 0), min(left + whole, width))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    inner = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    weights = _scissors(whole)[inner][:, :, None]
    picture[rows, columns] += weights * (drawn[inner] - picture[rows, columns])


def _scissors(side: int) -> NDArray[np.float32]:
    axis = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
    radius = np.sqrt((axis[None, :] / 0.43) ** 2 + ((axis[:, None] - 0.02) / 0.49) ** 2)
    return np.clip((1.0 - radius) * 12.0, 0.0, 1.0).astype(np.float32)


def _box(x: float, y: float, side: float) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = _FACE_IN_DRAWING
    left, top = x - side / 2, y - side / 2
    return left + x1 * side, top + y1 * side, left + x2 * side, top + y2 * side


def _touches(place: tuple[int, float, float, float], size_hw: tuple[int, int]) -> bool:
    x1, y1, x2, y2 = _box(*place[1:])
    return x2 > 0 and y2 > 0 and x1 < size_hw[1] and y1 < size_hw[0]
