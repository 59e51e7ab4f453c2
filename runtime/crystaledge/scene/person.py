"""Parametric people: a face drawn from a few numbers, so that demos and tests need no real person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SKIN = np.array([[241, 205, 178], [224, 172, 138], [198, 134, 94], [141, 85, 54], [92, 56, 36]], np.float32)
_HAIR = np.array([[25, 22, 20], [70, 45, 30], [120, 80, 45], [190, 150, 90], [150, 150, 150]], np.float32)
_CLOTH = np.array([[40, 60, 110], [120, 40, 45], [50, 90, 60], [90, 90, 95], [170, 160, 140]], np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What stays the same about a drawn face. Lengths are shares of the face's height."""

    skin: tuple[float, float, float]
    hair: tuple[float, float, float]
    cloth: tuple[float, float, float]
    width: float
    jaw: float
    hairline: float
    hair_sides: float
    eye_gap: float
    eye_size: float
    eye_height: float
    brow_weight: float
    nose_length: float
    nose_width: float
    mouth_width: float
    mouth_height: float
    lip: float
    glasses: bool
    beard: float


def draw_person(seed: int) -> Person:
    """The person of that number; equal seeds give equal people."""
    random = np.random.default_rng((0x0FACE, seed))

    def between(low: float, high: float) -> float:
        return float(random.uniform(low, high))

    def shade(palette: NDArray[np.float32]) -> tuple[float, float, float]:
        place = random.uniform(0, len(palette) - 1)
        low = int(place)
        mixed = palette[low] + (place - low) * (palette[min(low + 1, len(palette) - 1)] - palette[low])
        red, green, blue = np.clip(mixed + random.normal(0, 6, 3), 0, 255).tolist()
        return red, green, blue

    return Person(
        skin=shade(_SKIN),
        hair=shade(_HAIR),
        cloth=shade(_CLOTH),
        width=between(0.62, 0.82),
        jaw=between(0.55, 0.95),
        hairline=between(0.16, 0.34),
        hair_sides=between(0.0, 1.0),
        eye_gap=between(0.17, 0.25),
        eye_size=between(0.045, 0.075),
        eye_height=between(0.40, 0.48),
        brow_weight=between(0.008, 0.032),
        nose_length=between(0.16, 0.26),
        nose_width=between(0.035, 0.075),
        mouth_width=between(0.10, 0.19),
        mouth_height=between(0.74, 0.82),
        lip=between(0.012, 0.035),
        glasses=bool(random.random() < 0.3),
        beard=between(-0.6, 0.8),
    )
