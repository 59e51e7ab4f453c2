"""Observations as a bad camera and a confused tracker give them: a fixed protocol, severity 0 to 5, seeded.

It is for testing alone. Training has its own, random faults (`data.augment`), and never these numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

from crystaledge_training.evaluation.templates import TemplateSet

Pixels = NDArray[np.uint8]
WORST_SEVERITY = 5


class FaultKind(Enum):
    """What is wrong with an observation."""

    BLUR = "out of focus"
    SMALL = "far away"
    DARK = "dark and noisy"
    COVERED = "half covered"
    WRONG_PERSON = "somebody else"


PIXEL_FAULTS = (FaultKind.BLUR, FaultKind.SMALL, FaultKind.DARK, FaultKind.COVERED)
"""Those that are done to the pixels; another person's face is put in the place of one that is right."""

BLUR_SIGMA_PX = (1.0, 1.6, 2.4, 3.4, 4.8)
"""Of a face of 64 px, by severity from 1; other sizes in proportion."""
SMALL_SIDE_PX = (32, 24, 20, 16, 12)
"""The face is seen at this size and enlarged again."""
DARK_GAIN = (0.6, 0.4, 0.28, 0.18, 0.12)
DARK_NOISE = (6.0, 9.0, 12.0, 16.0, 20.0)
"""Standard deviation, of 255, after the light was taken away."""
COVERED_SHARE = (0.1, 0.2, 0.3, 0.4, 0.5)
_REFERENCE_PX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class DegradedProtocol:
    """How many observations are bad, and how bad."""

    severity: int
    """1 to 5; 0 spoils nothing."""
    share: float = 0.4
    """Of the observations of each template, rounded, at least one where a template has two or more."""


def spoil(face: Pixels, kind: FaultKind, severity: int, generator: np.random.Generator) -> Pixels:
    """Do one fault to a face, uint8 `(h, w, 3)`; severity 0 and `WRONG_PERSON` leave the pixels as they are."""
    if severity == 0 or kind is FaultKind.WRONG_PERSON:
        return face.copy()
    level = severity - 1
    scale = min(face.shape[:2]) / _REFERENCE_PX
    if kind is FaultKind.BLUR:
        return np.asarray(cv2.GaussianBlur(face, (0, 0), BLUR_SIGMA_PX[level] * scale), np.uint8)
    if kind is FaultKind.SMALL:
        return _seen_small(face, max(1, round(SMALL_SIDE_PX[level] * scale)))
    if kind is FaultKind.DARK:
        return _rounded(face * DARK_GAIN[level] + generator.normal(0.0, DARK_NOISE[level], face.shape))
    return _covered(face, COVERED_SHARE[level], generator)


def spoilt_views(faces: Pixels, severity: int, *, seed: int) -> Pixels:
    """Every face as it is, then with each pixel fault: `(N, h, w, 3)` to `(5 N, h, w, 3)`."""
    views = [faces]
    for number, kind in enumerate(PIXEL_FAULTS):
        generator = np.random.default_rng((seed, severity, number))
        views.append(np.stack([spoil(face, kind, severity, generator) for face in faces]))
    return np.concatenate(views)


def degraded_rows(
    templates: TemplateSet, person: NDArray[np.int64], protocol: DegradedProtocol, *, seed: int
) -> NDArray[np.int64]:
    """Rows of `spoilt_views` that each template sees; equal seeds choose equal observations and faults.

    Args:
        templates: of rows below N.
        person: `(N,)`, of all rows; whoever is put in another's place comes from here.
    """
    count = len(person)
    rows = templates.rows.copy()
    if protocol.severity == 0 or not rows.size:
        return rows
    generator = np.random.default_rng((seed, rows.shape[1], protocol.severity))
    bad = generator.random(rows.shape).argsort(axis=1) < _bad_of(rows.shape[1], protocol.share)
    kind = generator.integers(0, len(FaultKind), rows.shape)
    strangers = _strangers(templates.person, person, rows.shape, generator)
    wrong = kind == len(PIXEL_FAULTS)
    spoilt = np.where(wrong, strangers, rows + (kind + 1) * count)
    return np.where(bad, spoilt, rows)


def _bad_of(observations: int, share: float) -> int:
    return max(1, round(share * observations)) if observations > 1 else 0


def _strangers(
    owner: NDArray[np.int64], person: NDArray[np.int64], shape: tuple[int, ...], generator: np.random.Generator
) -> NDArray[np.int64]:
    """Rows of other people: drawn again until none is the owner's."""
    rows = generator.integers(0, len(person), shape)
    if (person == person[0]).all():
        return rows
    while (same := person[rows] == owner[:, None]).any():
        rows = np.where(same, generator.integers(0, len(person), shape), rows)
    return rows


def _seen_small(face: Pixels, side: int) -> Pixels:
    height, width = face.shape[:2]
    small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _covered(face: Pixels, share: float, generator: np.random.Generator) -> Pixels:
    """A box of one colour, with a little texture, anywhere."""
    height, width = face.shape[:2]
    area, aspect = share * height * width, np.exp(generator.uniform(-0.6, 0.6))
    high = min(height, round(float(np.sqrt(area * aspect))))
    wide = min(width, round(area / max(high, 1)))
    top, left = generator.integers(0, height - high + 1), generator.integers(0, width - wide + 1)
    out = face.copy()
    texture = generator.uniform(0.0, 255.0, 3) + generator.normal(0.0, 15.0, (high, wide, 1))
    out[top : top + high, left : left + wide] = _rounded(texture)
    return out


def _rounded(values: NDArray[np.float64]) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
