"""How a printed photograph moves when it is held up to a camera: smooth random processes, seeded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class AttackKind(Enum):
    """Kinds of presentation; each has its own error rate (ISO/IEC 30107-3: attack presentation species)."""

    STAND = "on a stand"
    HAND = "in a hand"
    TILTED = "in a hand, tilted"
    BENT = "in a hand, tilted and bent"
    COMPRESSED = "in a hand, through a video codec"


SHIFT_SHARE, TREMOR_SHARE = 0.06, 0.008
"""Of the face's side; the slow part of its motion, and the tremor of a hand."""
ROLL_DEG, YAW_DEG, PITCH_DEG = 2.5, 12.0, 10.0
DISTANCE_LOG = 0.03
BEND = 0.25
"""Face sides over radius of curvature."""
_SLOW_S, _TREMOR_S, _TURN_S, _DISTANCE_S = 0.5, 0.08, 0.6, 0.8
"""Correlation times."""


@dataclass(frozen=True, slots=True)
class SheetMotion:
    """Of one presentation, frame by frame; all `(T,)`."""

    shift_x: Array
    """Of the face's side, as the next."""
    shift_y: Array
    roll_rad: Array
    yaw_rad: Array
    pitch_rad: Array
    distance: Array
    """Factor."""
    bend: Array
    """Face sides over radius of curvature, about an upright axis; negative: the other way."""


def sheet_motion(kind: AttackKind, frames: int, *, fps: float, generator: np.random.Generator) -> SheetMotion:
    """Draw a motion; how lively it is differs from presentation to presentation by a factor of three."""
    lively = float(generator.uniform(0.5, 1.5))

    def drawn(spread: float, correlation_s: float, *kinds: AttackKind) -> Array:
        values = wander(frames, correlation_s * fps, generator) * spread * lively
        return values if kind in kinds else np.zeros(frames)

    held = (AttackKind.HAND, AttackKind.TILTED, AttackKind.BENT, AttackKind.COMPRESSED)
    turned = (AttackKind.TILTED, AttackKind.BENT)
    return SheetMotion(
        shift_x=drawn(SHIFT_SHARE, _SLOW_S, *held) + drawn(TREMOR_SHARE, _TREMOR_S, *held),
        shift_y=drawn(SHIFT_SHARE, _SLOW_S, *held) + drawn(TREMOR_SHARE, _TREMOR_S, *held),
        roll_rad=np.deg2rad(drawn(ROLL_DEG, _TURN_S, *held)),
        yaw_rad=np.deg2rad(drawn(YAW_DEG, _TURN_S, *turned)),
        pitch_rad=np.deg2rad(drawn(PITCH_DEG, _TURN_S, *turned)),
        distance=np.exp(-drawn(DISTANCE_LOG, _DISTANCE_S, *held)),
        bend=drawn(BEND, _TURN_S, AttackKind.BENT),
    )


def wander(length: int, correlation: float, generator: np.random.Generator) -> Array:
    """A stationary Gauss-Markov process `(length,)` of variance 1 (Ornstein and Uhlenbeck, 1930).

    Args:
        correlation: in samples.
    """
    kept = float(np.exp(-1.0 / correlation))
    noise = generator.normal(size=length)
    values = np.empty(length)
    values[0] = noise[0]
    for step in range(1, length):
        values[step] = kept * values[step - 1] + np.sqrt(1.0 - kept * kept) * noise[step]
    return values
