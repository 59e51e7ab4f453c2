"""A drawn production line: parts that are nearly alike, and some with a scratch, laid out as MVTec AD's sets are."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def part(seed: int, *, side_px: int = 64, light: float = 1.0) -> Pixels:
    """A grey disc with a hole on a bright ground, a little shifted and grainy: uint8 BGR `(side, side, 3)`."""
    random = np.random.default_rng((0xAB, seed))
    y, x = np.mgrid[0:side_px, 0:side_px] / side_px
    cy, cx = 0.5 + random.uniform(-0.02, 0.02, 2)
    radius = np.hypot(y - cy, x - cx)
    grey = np.where(radius < 0.33, 90.0, 190.0)
    grey[radius < 0.1] = 190.0
    grey += random.normal(0.0, 3.0, grey.shape)
    return np.repeat(np.clip(grey * light, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def scratched(seed: int, *, side_px: int = 64) -> tuple[Pixels, Pixels]:
    """Such a part with a bright scratch across its ring, and the scratch's mask, uint8 `(side, side)` of 0 and 255."""
    picture = part(10_000 + seed, side_px=side_px)
    angle = np.random.default_rng((0xCD, seed)).uniform(0.0, 2 * np.pi)
    mask = np.zeros((side_px, side_px), np.uint8)
    ends = [tuple(round(side_px * (0.5 + share * f(angle))) for f in (np.cos, np.sin)) for share in (0.16, 0.3)]
    cv2.line(mask, (ends[0][0], ends[0][1]), (ends[1][0], ends[1][1]), 255, max(2, side_px // 24))
    picture[mask > 0] = 250
    return picture, mask


def write_parts(folder: Path, *, train: int = 24, good: int = 8, defective: int = 8, side_px: int = 64) -> Path:
    """Write train/good, test/good, test/scratch and ground_truth/scratch."""
    for place, count, first in (("train/good", train, 0), ("test/good", good, 5_000)):
        (folder / place).mkdir(parents=True)
        for number in range(count):
            cv2.imwrite(str(folder / place / f"{number:03d}.png"), part(first + number, side_px=side_px))
    for place in ("test/scratch", "ground_truth/scratch"):
        (folder / place).mkdir(parents=True)
    for number in range(defective):
        picture, mask = scratched(number, side_px=side_px)
        cv2.imwrite(str(folder / "test/scratch" / f"{number:03d}.png"), picture)
        cv2.imwrite(str(folder / "ground_truth/scratch" / f"{number:03d}_mask.png"), mask)
    return folder
