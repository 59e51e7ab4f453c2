"""Drawn pictures of parts on a belt: what graphs that look for anomalies are checked with, and shown in goldens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PARTS = 3


def example_parts(steps: int, batch: int, size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Grey discs and bars with a grain on a plain ground, uint8 RGB `(steps, batch, H, W, 3)`; no two alike."""
    images = np.empty((steps, batch, *size_hw, 3), np.uint8)
    for step, row in np.ndindex(steps, batch):
        images[step, row] = _part(np.random.default_rng((0xBE17, step, row)), size_hw)
    return images


def _part(random: np.random.Generator, size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    height, width = size_hw
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    picture = np.full((height, width, 3), random.uniform(150, 210), np.float32)
    for _ in range(_PARTS):
        centre = random.uniform(0.25, 0.75, 2) * size_hw
        radius = random.uniform(0.08, 0.3) * min(size_hw)
        turn = random.uniform(0.0, np.pi)
        along = (x - centre[1]) * np.cos(turn) + (y - centre[0]) * np.sin(turn)
        across = (y - centre[0]) * np.cos(turn) - (x - centre[1]) * np.sin(turn)
        inside = (along / (2.0 * radius)) ** 2 + (across / radius) ** 2 < 1.0
        stripes = 20.0 * np.sin(along * random.uniform(0.2, 1.0))
        picture[inside] = random.uniform(40, 120, 3) + stripes[inside][:, None]
    picture += random.normal(0.0, 4.0, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)
