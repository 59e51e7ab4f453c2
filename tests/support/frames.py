"""Frames of the embedded scene: drawn people, so that no test needs a real face."""

from __future__ import annotations

from itertools import islice

from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.scene.scene import SceneConfig, film
from crystaledge.sources.frame import Frame

SMALL_SCENE = SceneConfig(people=3, frames_per_person=6, side_px=24, degraded=0.0)


def drawn_frames(person: int, count: int, *, first: int = 0, take: int = 0, sequence: str | None = None) -> list[Frame]:
    """Frames of one drawn person.

    Args:
        first: index of the first frame in its source.
        sequence: name of the sequence; by default that of the person.
    """
    shots = islice(film(SMALL_SCENE, person, take_number=take), count)
    name = f"person{person}" if sequence is None else sequence
    return [Frame(shot.pixels, ColorOrder.RGB, first + place, name) for place, shot in enumerate(shots)]
