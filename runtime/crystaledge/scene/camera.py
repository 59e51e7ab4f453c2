"""What a camera does to a picture: exposure, blur, sensor noise, and things in the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Degradation:
    """How badly one frame was taken; all zeros and exposure 1 is a perfect one."""

    exposure: float = 1.0
    blur_px: float = 0.0
    """Standard deviation of the blur in pixels of the picture."""
    noise: float = 0.0
    """Standard deviation of sensor noise in grey levels."""
    occlusion: float = 0.0
    """Share of the picture's height, from below, that something covers."""

    @property
    def severity(self) -> float:
        """0 for a perfect frame, 1 and more for a useless one."""
        return abs(1.0 - self.exposure) + self.blur_px / 6.0 + self.noise / 60.0 + 1.5 * self.occlusion


def take(picture: Picture, degradation: Degradation, random: np.random.Generator) -> NDArray[np.uint8]:
    """Photograph a float32 `(S, S, 3)` picture: uint8 of the same shape."""
    seen = picture
    if degradation.occlusion > 0:
        seen = seen.copy()
        first = round(len(seen) * (1.0 - degradation.occlusion))
        seen[first:] = random.uniform(30.0, 160.0, 3).astype(np.float32)
    if degradation.blur_px > 0.2:
        seen = _blur(seen, degradation.blur_px)
    noise = random.normal(0.0, degradation.noise, seen.shape) if degradation.noise > 0 else 0.0
    photograph: NDArray[np.uint8] = np.clip(np.rint(seen * degradation.exposure + noise), 0, 255).astype(np.uint8)
    return photograph


def _blur(picture: Picture, sigma: float) -> Picture:
    side = len(picture)
    distance = np.arange(side)[:, None] - np.arange(side)[None, :]
    weights = np.exp(-0.5 * (distance / sigma) ** 2)
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    columns = np.einsum("yx,xwc->ywc", weights, picture)
    blurred: Picture = np.einsum("wx,yxc->ywc", weights, columns)
    return blurred
