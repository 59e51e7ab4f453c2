"""Where a face is and how fast it moves: one Kalman filter of two states per dimension, for all tracks at once.

A box is measured as (centre x, centre y, log width, log height). The dimensions are independent, so
that each has a filter of position and velocity whose 2x2 matrices are written out. SORT (Bewley et
al., 2016, section 3.2) uses the same constant-velocity model per frame; here time is continuous and a velocity
is forgotten slowly (Ornstein-Uhlenbeck; Johnson et al., Ecology 89, 2008, eqs. 5-6), which is
constant velocity where the memory is long. Predicting twice is predicting once over both times,
whatever the frames between: a track therefore keeps its belief as of its last detection only.

A belief is float64 `(n, 5, 4)`: planes MEAN, SPEED, VAR, COV, SPEED_VAR of each dimension.
Lengths are pixels, times are seconds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystaledge.tracking.config import MotionNoise

Array = NDArray[np.float64]

MEAN, SPEED, VAR, COV, SPEED_VAR = range(5)
LOG_SIZE_MIN, LOG_SIZE_MAX = -3.0, 14.0
"""Faces of less than 0.05 or more than a million pixels are not told apart."""
VIRTUAL_STEPS = 6
"""Virtual detections across a gap; more change little."""


def measured(box_xyxy: NDArray[np.float32]) -> Array:
    """Measurements `(n, 4)` of boxes `(n, 4)`."""
    boxes = box_xyxy.astype(np.float64)
    first, second = boxes[:, :2], boxes[:, 2:]
    sizes = _within_limits(np.log(second - first))
    return np.concatenate([(first + second) / 2, sizes], axis=1)


def centre_half(measurements: Array) -> Array:
    """Centres and half sizes `(n, 4)` in pixels, of measurements or of the means of beliefs."""
    sizes = np.exp(_within_limits(measurements[:, 2:]))
    return np.concatenate([measurements[:, :2], sizes / 2], axis=1)


def corners(shapes: Array) -> Array:
    """Boxes x1, y1, x2, y2 `(n, 4)` of centres and half sizes."""
    return np.concatenate([shapes[:, :2] - shapes[:, 2:], shapes[:, :2] + shapes[:, 2:]], axis=1)


def units(measurements: Array) -> Array:
    """What noise is relative to `(n, 4)`: the face's size in pixels for the centre, 1 for log-sizes."""
    result = np.ones((len(measurements), 4))
    result[:, :2] = np.exp(_within_limits((measurements[:, 2:3] + measurements[:, 3:]) / 2))
    return result


def first_belief(measurements: Array, noise: MotionNoise) -> Array:
    """What one detection tells: the velocity is unknown."""
    scale = units(measurements)
    belief = np.zeros((len(measurements), 5, 4))
    belief[:, MEAN] = measurements
    belief[:, VAR] = (_measurement_sd(noise) * scale) ** 2
    belief[:, SPEED_VAR] = (_speed_sd(noise) * scale) ** 2
    return belief


def predicted(belief: Array, elapsed_s: Array, noise: MotionNoise) -> Array:
    """The belief `elapsed_s` `(n,)` later, each at least 0."""
    memory = np.array([noise.speed_memory_s, noise.speed_memory_s, noise.growth_memory_s, noise.growth_memory_s])
    speed_var = (_speed_sd(noise) * units(belief[:, MEAN])) ** 2
    forgotten = -np.expm1(-elapsed_s[:, None] / memory)  # 1 - exp(-t / memory)
    kept, reach = 1.0 - forgotten, memory * forgotten
    change = kept * belief[:, SPEED_VAR]
    along = belief[:, COV] + reach * belief[:, SPEED_VAR]
    spread = 2 * elapsed_s[:, None] - reach * (3.0 - kept)  # memory * (1 - kept^2) = reach * (1 + kept)
    result = np.empty_like(belief)
    result[:, MEAN] = belief[:, MEAN] + reach * belief[:, SPEED]
    result[:, SPEED] = kept * belief[:, SPEED]
    result[:, VAR] = belief[:, VAR] + reach * (belief[:, COV] + along) + speed_var * memory * np.maximum(spread, 0.0)
    result[:, COV] = kept * along + speed_var * reach * forgotten
    result[:, SPEED_VAR] = kept * change + speed_var * forgotten * (1.0 + kept)
    return result


def corrected(belief: Array, measurements: Array, noise: MotionNoise, *, worse: Array | None = None) -> Array:
    """The belief after a detection of each; `worse` `(n,)` multiplies the standard deviation of the measurement."""
    sd = _measurement_sd(noise) * units(measurements)
    if worse is not None:
        sd = sd * worse[:, None]
    var, cov = belief[:, VAR], belief[:, COV]
    total = var + sd * sd
    gain, speed_gain = var / total, cov / total
    surprise = measurements - belief[:, MEAN]
    result = np.empty_like(belief)
    result[:, MEAN] = belief[:, MEAN] + gain * surprise
    result[:, SPEED] = belief[:, SPEED] + speed_gain * surprise
    result[:, VAR] = gain * sd * sd
    result[:, COV] = (1.0 - gain) * cov
    result[:, SPEED_VAR] = belief[:, SPEED_VAR] - speed_gain * cov
    return result


def corrected_across(belief: Array, before: Array, now: Array, gap_s: Array, noise: MotionNoise) -> Array:
    """The belief after a gap: corrected with virtual detections on the straight line from the last to the new one.

    Observation-centric re-update of OC-SORT (Cao et al., CVPR 2023, section 4.1): what was
    predicted in the gap is dropped, errors that built up in it with it.

    Args:
        belief: as of the last detection `(n, 5, 4)`.
        before: the last detection `(n, 4)`.
        now: the new one `(n, 4)`.
        gap_s: time between them `(n,)`.
    """
    for step in range(1, VIRTUAL_STEPS + 1):
        virtual = before + (now - before) * (step / VIRTUAL_STEPS)
        belief = corrected(predicted(belief, gap_s / VIRTUAL_STEPS, noise), virtual, noise)
    return belief


def shapes_of(belief: Array) -> Array:
    """Centres and half sizes `(n, 4)` that are believed."""
    return centre_half(belief[:, MEAN])


def _within_limits(log_sizes: Array) -> Array:
    return np.minimum(np.maximum(log_sizes, LOG_SIZE_MIN), LOG_SIZE_MAX)


def _measurement_sd(noise: MotionNoise) -> Array:
    return np.array([noise.position_sd, noise.position_sd, noise.log_size_sd, noise.log_size_sd])


def _speed_sd(noise: MotionNoise) -> Array:
    return np.array([noise.speed_sd, noise.speed_sd, noise.growth_sd, noise.growth_sd])
