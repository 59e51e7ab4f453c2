"""A seeded film of people in front of a camera, one after another or at the same time, with ground truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import UsageError
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.scene.camera import Degradation, take
from crystaledge.scene.person import Person, draw_person
from crystaledge.scene.render import Pose, render_face
from crystaledge.sources.frame import Frame

_BACKGROUND = (118.0, 124.0, 132.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneConfig:
    """What is filmed. Equal configurations give equal films.

    Raises:
        UsageError: a number below 1.
    """

    people: int = 4
    frames_per_person: int = 40
    side_px: int = 128
    seed: int = 7
    degraded: float = 0.35
    """Share of frames that are taken badly."""

    def __post_init__(self) -> None:
        if min(self.people, self.frames_per_person, self.side_px) < 1:
            msg = f"A scene needs people, frames and a side of at least 1; got {self}."
            raise UsageError(msg)


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame of one person's face, with the truth about it."""

    pixels: NDArray[np.uint8]
    """uint8 RGB `(side, side, 3)`: a crop centred on the face."""
    person: int
    """Number of the person within the scene."""
    pose: Pose
    degradation: Degradation


def film(config: SceneConfig, person: int, *, take_number: int = 0) -> Iterator[Shot]:
    """Endless shots of one person: smooth movement, sudden bad frames.

    Args:
        person: number of the person within the scene.
        take_number: another take has another movement, and the same face.
    """
    face = draw_person(config.seed * 1000 + person)
    random = np.random.default_rng((0x5CE4E, config.seed, person, take_number))
    phase = random.uniform(0.0, 2.0 * np.pi, 6)
    rate = random.uniform(0.05, 0.22, 6)
    frame = 0
    while True:
        wave = np.sin(phase + rate * frame)
        yield _shot(config, face, person, wave, random)
        frame += 1


def _shot(
    config: SceneConfig, face: Person, person: int, wave: NDArray[np.float64], random: np.random.Generator
) -> Shot:
    shift_x, shift_y, scale, tilt, turn, mouth = wave.tolist()
    pose = Pose(
        shift_x=0.035 * shift_x,
        shift_y=0.03 * shift_y,
        scale=1.0 + 0.06 * scale,
        tilt_rad=0.12 * tilt,
        turn=0.8 * turn,
        mouth_open=max(0.0, mouth),
        blink=1.0 if random.random() < 0.06 else 0.0,
    )
    degradation = _degradation(config, random)
    picture = render_face(face, pose, side=config.side_px, background=_BACKGROUND)
    return Shot(take(picture, degradation, random), person, pose, degradation)


def _degradation(config: SceneConfig, random: np.random.Generator) -> Degradation:
    noise = float(random.uniform(1.0, 4.0))
    if random.random() >= config.degraded:
        return Degradation(exposure=float(random.uniform(0.9, 1.1)), noise=noise)
    kind = int(random.integers(4))
    strength = float(random.uniform(0.4, 1.0))
    return Degradation(
        exposure=1.0 - 0.7 * strength if kind == 0 else 1.0,
        blur_px=config.side_px / 24 * strength if kind == 1 else 0.0,
        noise=noise + (30.0 * strength if kind == 2 else 0.0),
        occlusion=0.45 * strength if kind == 3 else 0.0,
    )


class SyntheticSource:
    """The scene as a source of frames: each person in turn is one sequence."""

    def __init__(self, config: SceneConfig, *, take_number: int = 0) -> None:
        self._config = config
        self._take = take_number

    def __iter__(self) -> Iterator[Frame]:
        count = self._config.frames_per_person
        for person in range(self._config.people):
            shots = film(self._config, person, take_number=self._take)
            for frame, shot in zip(range(count), shots, strict=False):
                yield Frame(shot.pixels, ColorOrder.RGB, person * count + frame, f"person{person:02d}")
