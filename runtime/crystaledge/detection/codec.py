"""The box codec: from a detector's maps to boxes. Training holds the other half and is tested against this one.

A cell `(row, column)` has its centre at `(index + 0.5) * STRIDE_PX`; its map values are the shift of the box's centre
in strides and the natural logarithm of the box's size in strides.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

STRIDE_PX = 4
LARGEST_LOG = 4.0
"""Of a size in strides: keeps a damaged graph from overflow."""


class Candidates(NamedTuple):
    """Boxes of one map, before suppression."""

    box_xyxy: Array
    """float32 `(N, 4)`, pixels of the image that the map belongs to."""
    score: Array
    """float32 `(N,)` in (0, 1)."""


def logit_of(probability: float) -> float:
    """Inverse of the logistic function, for a probability in (0, 1)."""
    return math.log(probability / (1.0 - probability))


def decode(logit: Array, box: Array, *, threshold_logit: float) -> Candidates:
    """Boxes of the cells whose logit is above a threshold.

    Args:
        logit: float32 `(h, w)`.
        box: float32 `(4, h, w)`.
        threshold_logit: comparing logits spares the logistic function of all other cells.
    """
    rows, columns = np.nonzero(logit > threshold_logit)
    shift_x, shift_y, log_w, log_h = box[:, rows, columns]
    centre_x = (columns + np.float32(0.5) + shift_x) * np.float32(STRIDE_PX)
    centre_y = (rows + np.float32(0.5) + shift_y) * np.float32(STRIDE_PX)
    half_w = np.float32(STRIDE_PX / 2) * np.exp(np.minimum(log_w, np.float32(LARGEST_LOG)))
    half_h = np.float32(STRIDE_PX / 2) * np.exp(np.minimum(log_h, np.float32(LARGEST_LOG)))
    boxes = np.stack([centre_x - half_w, centre_y - half_h, centre_x + half_w, centre_y + half_h], axis=1)
    scores = 1.0 / (1.0 + np.exp(-logit[rows, columns]))
    return Candidates(boxes.astype(np.float32, copy=False), scores.astype(np.float32, copy=False))
