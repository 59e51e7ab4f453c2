"""Films to decide on: living people, their own stills, and photographs of others, held up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame
from crystaledge.sources.identities import read_catalogue, read_lfw_people
from crystaledge.sources.images import read_image
from crystaledge.systems.mnemosyne_contract import FACE_IN_CROP
from crystaledge_benchmarks.liveness.looks import Look
from crystaledge_benchmarks.liveness.presentation import FPS, Photograph, present
from crystaledge_benchmarks.liveness.sheet_motion import AttackKind

LFW_SIDE_PX = 320
"""Photographs of LFW are enlarged to this; those of films are as they are."""
FRAMES = 24
"""Of a presentation: a window, and what a track needs to be founded."""


def attack_film(photograph: Photograph, kind: AttackKind, *, seed: tuple[int, ...]) -> Iterator[Frame]:
    """A presentation as a camera gives it."""
    generator = np.random.default_rng((*seed, list(AttackKind).index(kind)))
    for index, pixels in enumerate(present(photograph, kind, FRAMES, generator)):
        yield Frame(pixels=pixels, color=ColorOrder.BGR, sequence="attack", index=index, time_s=index / FPS)


def lfw_photographs(lfw: Path, people_list: str, count: int, *, seed: int) -> Iterator[Photograph]:
    """The first pictures of that many people of an official list, drawn by a seed."""
    people = read_catalogue(lfw).only(read_lfw_people(lfw / people_list)).identities
    for row in np.random.default_rng(seed).permutation(len(people))[:count].tolist():
        yield _lfw_photograph(people[row].name, people[row].paths[0])


def film_photographs(person: str, frames: list[Frame], looks: list[Look], count: int) -> Iterator[Photograph]:
    """Stills of a film, evenly over it."""
    by_time = {frame.time_s: frame for frame in frames}
    for place in np.linspace(0, len(looks) - 1, count + 2)[1 : -1 if looks else 1].round().astype(int).tolist():
        x1, y1, x2, y2 = looks[place].box_xyxy
        side = float(np.sqrt((x2 - x1) * (y2 - y1)))
        picture = by_time[looks[place].time_s].pixels
        yield Photograph(person=person, picture=picture, centre_xy=((x1 + x2) / 2, (y1 + y2) / 2), side_px=side)


def _lfw_photograph(name: str, path: Path) -> Photograph:
    picture = cv2.resize(read_image(path), (LFW_SIDE_PX, LFW_SIDE_PX), interpolation=cv2.INTER_CUBIC)
    x1, y1, x2, y2 = (LFW_SIDE_PX * share for share in FACE_IN_CROP)
    return Photograph(
        person=name,
        picture=np.asarray(picture, np.uint8),
        centre_xy=((x1 + x2) / 2, (y1 + y2) / 2),
        side_px=float(np.sqrt((x2 - x1) * (y2 - y1))),
    )
