"""Ways that faces take through a picture of 1280 x 720 pixels, seeded."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Random = np.random.Generator

FRAME_WH = np.array([1280.0, 720.0])
FPS = 25.0
SECONDS = 16.0
PEOPLE = 8


class Kind(Enum):
    """What happens in a scene."""

    LINEAR = "linear"
    """People walk straight through the picture."""
    TURNING = "turning"
    """People wander, never straight."""
    CROSSING = "crossing"
    """Pairs of the same size walk through each other."""
    STOPPING = "stopping"
    """People stop, wait and go on, some of them back."""
    OCCLUDING = "occluding"
    """A near face hides a far one for 10 to 30 frames."""
    HIDDEN = "hidden"
    """People pass behind pillars for 10 to 30 frames."""
    RETURNING = "returning"
    """People leave the picture for 2 to 6 seconds and come back somewhere else."""
    DROPPED = "dropped"
    """As TURNING, with frames that never arrive, up to 0.4 s in a row."""


@dataclass(frozen=True, slots=True)
class Paths:
    """Where everybody is; P people, T frames."""

    centre: Array
    """`(P, T, 2)` pixels."""
    width: Array
    """`(P, T)` pixels of the face; who is larger is nearer."""
    pillars: Array = field(default_factory=lambda: np.zeros((0, 4)))
    """`(K, 4)` boxes in front of everybody."""


def times() -> Array:
    """Times of the frames in seconds."""
    return np.arange(int(SECONDS * FPS)) / FPS


def paths_of(kind: Kind, random: Random) -> Paths:
    """Paths of one scene."""
    makers = {
        Kind.LINEAR: _linear,
        Kind.TURNING: _turning,
        Kind.CROSSING: _crossing,
        Kind.STOPPING: _stopping,
        Kind.OCCLUDING: _occluding,
        Kind.HIDDEN: _hidden,
        Kind.RETURNING: _returning,
        Kind.DROPPED: _turning,
    }
    return makers[kind](random)


def _widths(random: Random, low: float = 45.0, high: float = 110.0) -> Array:
    """Sizes that change slowly, as of people who come nearer or go away."""
    start, end = random.uniform(low, high, (2, PEOPLE, 1))
    widths: Array = start * (end / start) ** (times() / SECONDS * random.uniform(0.0, 0.5, (PEOPLE, 1)))
    return widths


def _linear(random: Random) -> Paths:
    t = times()
    middle = random.uniform(0.2, 0.8, (PEOPLE, 1, 2)) * FRAME_WH
    when = random.uniform(0.2, 0.8, (PEOPLE, 1)) * SECONDS
    speed, angle = random.uniform(60, 220, PEOPLE), random.uniform(0, 2 * np.pi, PEOPLE)
    velocity = speed[:, None, None] * np.stack([np.cos(angle), 0.4 * np.sin(angle)], axis=-1)[:, None]
    return Paths(middle + velocity * (t - when)[..., None], _widths(random))


def _turning(random: Random) -> Paths:
    phase = random.uniform(0, 2 * np.pi, (2, 2, PEOPLE, 1))
    slow, fast = random.uniform(0.25, 0.6, (2, PEOPLE, 1)), random.uniform(0.9, 1.8, (2, PEOPLE, 1))
    sway = np.sin(slow * times() + phase[0]) + 0.3 * np.sin(fast * times() + phase[1])
    home = random.uniform(0.3, 0.7, (PEOPLE, 1, 2)) * FRAME_WH
    reach = random.uniform(0.15, 0.3, (PEOPLE, 1, 2)) * FRAME_WH
    return Paths(home + reach * np.moveaxis(sway, 0, -1), _widths(random))


def _crossing(random: Random) -> Paths:
    """Pairs on one line in opposite or the same direction, that meet in the middle of the scene."""
    half = PEOPLE // 2
    lane = np.linspace(0.15, 0.85, half) * FRAME_WH[1] + random.normal(0, 15, half)
    meet_x, meet_s = random.uniform(500, 780, half), random.uniform(0.35, 0.65, half) * SECONDS
    speed = np.stack([random.uniform(40, 140, half), random.uniform(-140, 20, half)])
    x = meet_x[:, None] + speed[..., None] * (times() - meet_s[:, None])
    y = lane[:, None] + random.normal(0, 8, (2, half, 1)) + random.normal(0, 4, (2, half, 1)) * np.sin(2 * times())
    width = np.repeat(random.uniform(55, 95, half)[None, :, None], 2, axis=0) * random.uniform(0.92, 1.08, (2, half, 1))
    centre = np.stack([x, y], axis=-1).reshape(PEOPLE, -1, 2)
    return Paths(centre, np.broadcast_to(width, x.shape).reshape(PEOPLE, -1))


def _stopping(random: Random) -> Paths:
    """Speeds in pieces of 0.6 to 2.5 s: walking, standing, or walking back, with 0.2 s to change."""
    velocity = np.zeros((PEOPLE, len(times()), 2))
    for person in range(PEOPLE):
        frame, heading = 0, random.choice([-1.0, 1.0])
        while frame < len(times()):
            end = frame + int(random.uniform(0.6, 2.5) * FPS)
            heading *= random.choice([1.0, 1.0, -1.0])
            speed = random.choice([0.0, 1.0]) * random.uniform(60, 200)
            velocity[person, frame:end] = heading * speed, random.normal(0, 8)
            frame = end
    kernel = np.full(5, 0.2)
    smooth = np.apply_along_axis(np.convolve, 1, velocity, kernel, "same")
    home = random.uniform(0.2, 0.8, (PEOPLE, 1, 2)) * FRAME_WH
    return Paths(_kept_inside(home + np.cumsum(smooth, axis=1) / FPS), _widths(random))


def _kept_inside(centre: Array) -> Array:
    """Reflected at the borders of the picture."""
    span = FRAME_WH - 120.0
    folded = np.mod(centre - 60.0, 2 * span)
    return 60.0 + np.minimum(folded, 2 * span - folded)


def _occluding(random: Random) -> Paths:
    """A far face passes behind a near one; both move, and their meeting takes 10 to 30 frames."""
    half = PEOPLE // 2
    near, far = random.uniform(120, 170, half), random.uniform(60, 85, half)
    gap_s = random.uniform(10, 30, half) / FPS
    # Hidden while the far face is inside the near one.
    relative = (near - 0.3 * far) / gap_s * random.choice([-1, 1], half)
    drift = random.uniform(-35, 35, half)
    meet_s = random.uniform(0.3, 0.7, half) * SECONDS
    meet_x, lane = (np.arange(half) + 0.5) / half * FRAME_WH[0], random.uniform(200, 520, half)
    since = times() - meet_s[:, None]
    near_x = meet_x[:, None] + drift[:, None] * since
    # A far face walks on for 1.5 s on each side and then stands, so that pairs do not meet other pairs.
    far_x = near_x + relative[:, None] * np.clip(since, -1.5, 1.5)
    y = lane[:, None] + 10 * np.sin(1.5 * since)
    centre = np.stack([np.concatenate([near_x, far_x]), np.concatenate([y, y + random.normal(0, 8, (half, 1))])], -1)
    width = np.concatenate([near, far])[:, None]
    return Paths(centre, np.broadcast_to(width, centre.shape[:2]))


def _hidden(random: Random) -> Paths:
    """Pillars of 90 to 160 pixels, and people who need 10 to 30 frames to pass behind one."""
    left = np.array([320.0, 840.0]) + random.uniform(-60, 60, 2)
    wide = random.uniform(90, 160, 2)
    pillars = np.stack([left, np.zeros(2), left + wide, np.full(2, FRAME_WH[1])], axis=1)
    width = random.uniform(50, 80, PEOPLE)
    which = np.arange(PEOPLE) % 2
    gap_s = random.uniform(10, 30, PEOPLE) / FPS
    speed = (wide[which] + 0.5 * width) / gap_s * random.choice([-1, 1], PEOPLE)
    behind_s = random.uniform(0.2, 0.8, PEOPLE) * SECONDS
    since = times() - behind_s[:, None]
    x = (left + wide / 2)[which][:, None] + speed[:, None] * since * (1 + 0.05 * np.sin(since))
    y = np.linspace(80, 640, PEOPLE)[random.permutation(PEOPLE)][:, None] + 12 * np.sin(since)
    return Paths(np.stack([x, y], -1), np.broadcast_to(width[:, None], x.shape), pillars)


def _returning(random: Random) -> Paths:
    """Everybody walks in, out for 2 to 6 s, and in again at another height."""
    t = times()
    out_s = random.uniform(0.25, 0.45, PEOPLE) * SECONDS
    back_s = out_s + random.uniform(2, 6, PEOPLE)
    speed = random.uniform(80, 180, PEOPLE)
    left_at, back_at = random.choice([0.0, FRAME_WH[0]], (2, PEOPLE))
    first, second = random.uniform(80, 640, (2, PEOPLE))
    inward = np.where(left_at > 0, -1.0, 1.0), np.where(back_at > 0, -1.0, 1.0)
    going = left_at[:, None] + (inward[0] * speed)[:, None] * (out_s[:, None] - t)
    coming = back_at[:, None] + (inward[1] * speed)[:, None] * (t - back_s[:, None])
    is_first = t < ((out_s + back_s) / 2)[:, None]
    y = np.where(is_first, first[:, None], second[:, None]) + 10 * np.sin(t)
    return Paths(np.stack([np.where(is_first, going, coming), y], -1), _widths(random, 50, 90))
