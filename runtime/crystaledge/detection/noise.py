"""What a camera's noise and a change of light are, so that neither looks like movement.

Thresholds that were right at noon are wrong at dusk; a fixed threshold cannot hold a target (Li et al., Reducto, 2020).
The noise is read off the frames themselves, from the quieter half of the differences, and followed slowly, up more so
than down, so that a moving scene is not taken for a noisy one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Levels = NDArray[np.float32]

_QUIETER_HALF_OF_NORMAL = 0.3245
"""The mean of |x| below its median for x standard normal; unlike the median it is no whole grey level."""
_BLACK, _WHITE = 16.0, 239.0
_FEWEST = 32
"""Samples below which nothing can be said."""
_FASTEST_RISE, _FASTEST_FALL = 1.1, 0.8
"""Factors that the noise may change by from one comparison to the next."""
_RIDGE_LEVELS = 8.0
"""Halves that differ by so many levels in brightness are believed half of the gain that they show."""
_FEWEST_BRIGHT = 0.25
_STEEPEST = 1.0
"""Of change over mean brightness: a gain of 3, or of a third; what changes more is no change of light."""
_REPEATED = 0.2
"""Grey levels below which two frames are one and the same, which codecs repeat; that tells of no noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseConfig:
    """All in grey levels of 0 to 255."""

    floor: float = 6.0
    """A difference up to this is never a change."""
    ceiling: float = 28.0
    """A larger difference always is one, however noisy the camera."""
    sigmas: float = 5.0
    """Standard deviations of a difference that are noise still."""


class NoiseModel:
    """Follows the noise of one camera at one size."""

    def __init__(self, config: NoiseConfig) -> None:
        self._config = config
        self._sigma: float | None = None

    @property
    def threshold(self) -> float:
        """Differences above it are changes, in grey levels."""
        config = self._config
        return min(max(config.floor, config.sigmas * (self._sigma or 0.0)), config.ceiling)

    def observe(self, magnitude: Levels, reference: Levels) -> None:
        """Learn from the absolute differences of two frames, light compensated, and one of them, any shape.

        What is as good as black or white shows no noise, so that it cannot tell of any.
        """
        telling = magnitude[(reference > _BLACK) & (reference < _WHITE)]
        if telling.size < _FEWEST:
            return
        middle = telling.size // 2
        seen = float(np.partition(telling, middle)[:middle].mean()) / _QUIETER_HALF_OF_NORMAL
        if seen < _REPEATED:
            return
        if self._sigma is None:
            self._sigma = min(seen, self._config.ceiling / self._config.sigmas)
        else:
            self._sigma = min(max(seen, self._sigma * _FASTEST_FALL), self._sigma * _FASTEST_RISE)


@dataclass(frozen=True, slots=True)
class Light:
    """A change of light between two frames, as a line over brightness: a gain and an offset."""

    shift: float
    slope: float
    level: float
    """Brightness at which the change is `shift`."""

    @classmethod
    def between(cls, difference: Levels, reference: Levels) -> Light:
        """The line through the medians of the darker and the brighter half; a mean would follow what moved.

        The halves are told apart by the mean of both frames: noise is in each alike, and halves of the reference alone
        would fall back to its mean, which looks like a gain. Where the halves hardly differ in brightness the gain is
        drawn towards none, as in ridge regression.

        Args:
            difference: current minus reference, float32, any shape; a thousand samples are plenty.
            reference: grey levels of the same shape.
        """
        both = reference + difference * np.float32(0.5)
        bright = both > np.median(both)
        if bright.mean() < _FEWEST_BRIGHT:  # one grey fills the median; what differs from it may be what moved
            return cls(float(np.median(difference)), 0.0, 0.0)
        levels = float(np.median(both[~bright])), float(np.median(both[bright]))
        shifts = float(np.median(difference[~bright])), float(np.median(difference[bright]))
        apart = levels[1] - levels[0]
        per_level = (shifts[1] - shifts[0]) * apart / (apart**2 + _RIDGE_LEVELS**2)
        per_level = min(max(per_level, -_STEEPEST), _STEEPEST)
        slope = per_level / (1.0 - per_level / 2)  # over the reference, no longer over the mean of both
        shift, level = (shifts[0] + shifts[1]) / 2, (levels[0] + levels[1]) / 2
        return cls(shift, slope, level - shift / 2)

    def removed(self, difference: Levels, reference: Levels) -> Levels:
        """A difference without what the light explains."""
        left: Levels = difference - np.float32(self.slope) * reference
        left -= np.float32(self.shift - self.slope * self.level)
        return left
