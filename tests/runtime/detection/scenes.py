"""Still scenes, a camera's noise, and changes of light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def wall(size_hw: tuple[int, int]) -> NDArray[np.float64]:
    """A plain wall with a dark thing on it: what follows noise instead of light is off by a hundred levels there."""
    scene = np.full(size_hw, 130.0)
    y, x = size_hw[0] // 2, size_hw[1] // 3
    scene[y : y + size_hw[0] // 8, x : x + size_hw[1] // 8] = 30.0
    return scene


def ramp(size_hw: tuple[int, int]) -> NDArray[np.float64]:
    """Brighter from left to right, 60 to 180."""
    return np.linspace(60.0, 180.0, size_hw[1])[None].repeat(size_hw[0], axis=0)


def tiles(size_hw: tuple[int, int]) -> NDArray[np.float64]:
    """Squares of an eighth of the height of any grey from 60 to 180."""
    side = size_hw[0] // 8
    greys = np.random.default_rng(4).uniform(60.0, 180.0, (8, -(-size_hw[1] // side)))
    return greys.repeat(side, axis=0).repeat(side, axis=1)[:, : size_hw[1]]


SCENES = {"wall": wall, "ramp": ramp, "tiles": tiles}
LIT = {"ramp": ramp, "tiles": tiles}
"""Scenes of many greys: in the others a gain cannot be told from something that moved."""


class Shots:
    """Frames of a still scene with fresh noise in each."""

    def __init__(self, scene: NDArray[np.float64], *, sigma: float, seed: int = 0) -> None:
        self.scene, self.sigma = scene, sigma
        self._random = np.random.default_rng(seed)

    def next(self, *, gain: float = 1.0, offset: float = 0.0) -> Image:
        """uint8 `(h, w, 3)`."""
        clean = (self.scene * gain + offset)[:, :, None].repeat(3, axis=2)
        noisy = clean + self._random.normal(0.0, self.sigma, clean.shape)
        shot: Image = np.rint(noisy).clip(0, 255).astype(np.uint8)
        return shot


def face_at(image: Image, place_yx: tuple[int, int], side: int, contrast: float) -> Image:
    """A copy with a square of another brightness."""
    y, x = place_yx
    changed = image.astype(float)
    changed[y : y + side, x : x + side] += contrast
    shot: Image = np.rint(changed).clip(0, 255).astype(np.uint8)
    return shot
