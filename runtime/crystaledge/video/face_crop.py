"""From a face's box to the square that an embedder was trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crystaledge.systems.mnemosyne_contract import FACE_IN_CROP

Array = NDArray[np.float32]


def crop_around(box_xyxy: Array) -> Array:
    """Square crops `(N, 4)` in which whole-face boxes `(N, 4)` lie at `FACE_IN_CROP`; they may leave the frame.

    A detector's boxes differ in shape, so the crop takes its side from the box's area and its place from the centre.
    """
    x1, y1, x2, y2 = FACE_IN_CROP
    sizes = np.maximum(box_xyxy[:, 2:] - box_xyxy[:, :2], 1e-3)
    side = np.sqrt(sizes[:, 0] * sizes[:, 1]) / np.sqrt((x2 - x1) * (y2 - y1))
    centre = (box_xyxy[:, :2] + box_xyxy[:, 2:]) / 2
    low = centre - side[:, None] * np.array([(x1 + x2) / 2, (y1 + y2) / 2])
    crops: Array = np.concatenate([low, low + side[:, None]], axis=1).astype(np.float32)
    return crops


def size_px(box_xyxy: Sequence[float]) -> float:
    """Square root of a box's area; 0 of one that is inside out."""
    x1, y1, x2, y2 = box_xyxy
    return math.sqrt(max((x2 - x1) * (y2 - y1), 0.0))


def seen_share(box_xyxy: Array, frame_hw: tuple[int, int]) -> Array:
    """Share `(N,)` of each box's area that lies inside the frame."""
    limits = np.array([frame_hw[1], frame_hw[0]], np.float32)
    sides = np.maximum(box_xyxy[:, 2:] - box_xyxy[:, :2], 1e-3)
    inner = np.maximum(np.minimum(box_xyxy[:, 2:], limits) - np.maximum(box_xyxy[:, :2], 0.0), 0.0)
    share: Array = (inner[:, 0] * inner[:, 1] / (sides[:, 0] * sides[:, 1])).astype(np.float32)
    return share
