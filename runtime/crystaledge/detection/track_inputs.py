"""What the track cell is shown of a face: the features around its centre, and a patch with what moved in it.

Training makes its inputs by these very functions.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from crystaledge.detection.codec import STRIDE_PX

Array = NDArray[np.float32]

ROI_CELLS = 3
"""Side of the neighbourhood of a face's centre, in cells of its octave."""
PATCH_PX = 48
"""Side of the patch that a face and its surroundings are resized to."""
PATCH_MARGIN = 1.3
"""Side of the patch over the side of the box."""
_OCTAVE_PX = 15.0
"""Size of the faces in the middle of what the first octave is taught."""


def level_of(box_xyxy: Array, octaves: int) -> int:
    """The octave that sees a box `(4,)` in pixels of the network's input best."""
    size = math.sqrt(max(float((box_xyxy[2] - box_xyxy[0]) * (box_xyxy[3] - box_xyxy[1])), 1.0))
    return min(max(round(math.log2(size / _OCTAVE_PX)), 0), octaves - 1)


def roi_of(features: Array, box_xyxy: Array, level: int) -> Array:
    """Features of the 3 x 3 cells around a box's centre, borders repeated.

    Args:
        features: float32 `(channels, h, w)` of that octave.
        box_xyxy: `(4,)` in pixels of the network's input.

    Returns:
        float32 `(channels * 9,)`: channel by channel, rows before columns.
    """
    cell_px = STRIDE_PX << level
    reach = np.arange(ROI_CELLS) - ROI_CELLS // 2
    row = int((box_xyxy[1] + box_xyxy[3]) / 2 // cell_px)
    column = int((box_xyxy[0] + box_xyxy[2]) / 2 // cell_px)
    rows = (row + reach).clip(0, features.shape[1] - 1)
    columns = (column + reach).clip(0, features.shape[2] - 1)
    return features[:, rows[:, None], columns[None, :]].reshape(-1)


def patch_into(out: Array, image: Array, motion: Array, box_xyxy: Array) -> None:
    """The surroundings of a box by nearest neighbours, borders repeated.

    Args:
        out: float32 `(4, 48, 48)`: three colours as the network gets them, and what moved.
        image: float32 `(3, H, W)`, the network's input.
        motion: float32 `(H, W)`, at least 0.
        box_xyxy: `(4,)` in pixels of the network's input.
    """
    height, width = motion.shape
    rows = _places(float(box_xyxy[1]), float(box_xyxy[3]), height)[:, None]
    columns = _places(float(box_xyxy[0]), float(box_xyxy[2]), width)[None, :]
    out[:3] = image[:, rows, columns]
    out[3] = motion[rows, columns]


def _places(low: float, high: float, limit: int) -> NDArray[np.int64]:
    side = (high - low) * PATCH_MARGIN
    start = (low + high - side) / 2
    places = np.floor(start + (np.arange(PATCH_PX) + 0.5) * (side / PATCH_PX))
    inside: NDArray[np.int64] = np.clip(places, 0, limit - 1).astype(np.int64)
    return inside


def corrected(box_xyxy: Array, delta: Array) -> Array:
    """Boxes `(N, 4)` moved and resized by what the track cell says, `(N, 4)`: shift over size, log of the growth."""
    sizes = box_xyxy[:, 2:] - box_xyxy[:, :2]
    centres = (box_xyxy[:, :2] + box_xyxy[:, 2:]) / 2 + delta[:, :2] * sizes
    halves = sizes * np.exp(delta[:, 2:].clip(-1.0, 1.0)) / 2
    return np.concatenate([centres - halves, centres + halves], axis=1).astype(np.float32, copy=False)
