"""What a camera over a production line remembers: the picture that was judged last, and how normal has drifted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.anomaly.spec import AnomalyDecision
from crystaledge.detection.held_image import HeldImage
from crystaledge.detection.noise import NoiseConfig
from crystaledge.errors import UsageError

_MOST_SPREADS = 4.0
"""How far normal may be believed to have drifted; more is an anomaly that came slowly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineOptions:
    """Which state a camera keeps; none by default: each image is judged alone.

    Raises:
        UsageError: a window of fewer than no images.
    """

    hold_still: bool = False
    """Where no block of the image has changed beyond noise and light, repeat the last verdict instead of looking."""
    adapt_images: int = 0
    """Window, in images judged normal, of the running mean that scores are taken relative to; 0 for none."""

    def __post_init__(self) -> None:
        if self.adapt_images < 0:
            msg = f"The window of the running mean is {self.adapt_images} images; expected at least 0, 0 for none."
            raise UsageError(msg)


class NormalDrift:
    """Follows the mean raw score of images judged normal, for light and lenses that change slowly.

    Starts at the centre that was calibrated, and moves by 1/n of each difference (exponential mean).
    """

    def __init__(self, decision: AnomalyDecision, *, images: int) -> None:
        self._limit = _MOST_SPREADS * decision.spread
        self._centre, self._threshold = decision.centre, decision.threshold
        self._rate = 1.0 / images if images else 0.0
        self.shift = 0.0
        """What normal scores have gained since the calibration."""

    def corrected(self, raw: float) -> float:
        """The score as it would have been at calibration, at least 0; learns from it where it is normal."""
        corrected = max(raw - self.shift, 0.0)
        if corrected < self._threshold:
            moved = self.shift + self._rate * (corrected - self._centre)
            self.shift = min(max(moved, -self._limit), self._limit)
        return corrected


class StillPicture:
    """The picture that was judged last, block by block; see `HeldImage`.

    Args:
        table: float32 `(3, 256)`: what the network gets for each value of each channel.
    """

    def __init__(self, size_hw: tuple[int, int], table: NDArray[np.float32]) -> None:
        self._held = HeldImage(size_hw, octaves=1, table=table, noise=NoiseConfig())

    def changed(self, image: NDArray[np.uint8]) -> bool:
        """Whether any block of uint8 `(h, w, 3)` differs from what is held; the whole picture is taken over then.

        Were only those blocks taken over, the rest would keep what lay below the threshold, which sinks while a line
        stands still, and a picture would be looked at twice.
        """
        changed = bool(self._held.take(image, refresh=False).blocks.any())
        if changed:
            self._held.take(image, refresh=True)
        return changed

    @property
    def tensor(self) -> NDArray[np.float32]:
        """float32 `(3, h, w)`: the held image as the network gets it."""
        return self._held.tensors[0]
