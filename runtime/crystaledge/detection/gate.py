"""The cheapest question first: did anything move at all since the frame that was last looked at?

A grid of single pixels of the source frame is compared, a few thousand at most: microseconds, before the frame is even
resized. Reference is the last *processed* frame, not the last one, so slow movement adds up until it is seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.detection.noise import Light, NoiseConfig, NoiseModel

_MEASURED_EVERY, _ASKED_EVERY = 16, 4
_FEW = 2
"""Light and noise are measured on every second sample in both directions."""
_GREEN = 1
"""The same place in RGB and BGR, and most of what the eye calls brightness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateConfig:
    """How the gate looks."""

    samples: int = 4000
    """Pixels compared, at most about so many."""
    moved_samples: int = 3
    """So many of them must have changed. A face of 12 px in 128 covers about thirty."""
    noise: NoiseConfig = NoiseConfig(floor=10.0, ceiling=40.0)
    """Single pixels are noisier than means of them."""


class MotionGate:
    """Says for each frame of one camera whether it is worth processing."""

    def __init__(self, config: GateConfig) -> None:
        self._config = config
        self._noise = NoiseModel(config.noise)
        self._reference: NDArray[np.int16] | None = None
        self._last: NDArray[np.int16] | None = None
        self._asked = 0
        self._moving = False

    def moved(self, pixels: NDArray[np.uint8]) -> bool:
        """Whether uint8 `(H, W, 3)` differs from the last processed frame beyond noise and light."""
        sampled = self._sampled(pixels)
        self._last = sampled
        if self._reference is None or self._reference.shape != sampled.shape:
            return True
        difference = sampled - self._reference
        self._asked += 1
        # Nearly always the end of it where nothing moves; now and then the noise is measured all the same.
        quiet = max(int(difference.max()), -int(difference.min())) <= self._noise.threshold
        if quiet and self._asked % _MEASURED_EVERY:
            self._moving = False
            return False
        if self._moving and not quiet and self._asked % _ASKED_EVERY:
            return True  # what moved a frame ago moves on; a change of light ends with the frame that it came with
        self._moving = self._moved_in(difference.astype(np.float32), self._reference.astype(np.float32))
        return self._moving

    def _moved_in(self, difference: NDArray[np.float32], reference: NDArray[np.float32]) -> bool:
        few = difference[::_FEW, ::_FEW], reference[::_FEW, ::_FEW]
        light = Light.between(*few)
        self._noise.observe(np.abs(light.removed(*few)), few[1])
        magnitude = np.abs(light.removed(difference, reference))
        return int(np.count_nonzero(magnitude > self._noise.threshold)) >= self._config.moved_samples

    def processed(self) -> None:
        """The frame that was asked about last has been processed: compare with it from now on."""
        self._reference = self._last

    def _sampled(self, pixels: NDArray[np.uint8]) -> NDArray[np.int16]:
        height, width = pixels.shape[:2]
        step = max(1, int(np.sqrt(height * width / self._config.samples)))
        return pixels[step // 2 :: step, step // 2 :: step, _GREEN].astype(np.int16)
