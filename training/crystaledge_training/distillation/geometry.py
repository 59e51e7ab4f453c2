"""Affine maps between a teacher's chip, a student's view and the crop that both are cut from; all `(N, 3, 3)`.

A map takes column vectors (x, y, 1), with pixel centres at integers. A crop is the whole fitted frame, `CROP_SIDE` long
whatever the number of its pixels, so that one map serves frames of any size.
"""

from __future__ import annotations

import torch
from kornia.geometry.grid import create_meshgrid
from torch import Tensor
from torch.nn import functional

CROP_SIDE = 128.0
CHIP_SIDE = 150
"""Side of the chip that dlib's network takes, in pixels."""
_CHIP_PADDING = 0.25
_MEAN_FACE = (
    (0.8595674595992, 0.2134981538014),
    (0.6460604764104, 0.2289674387677),
    (0.1205750620789, 0.2137274526848),
    (0.3340850613712, 0.2290642403242),
    (0.4901123135679, 0.6277975316475),
)
"""dlib's mean face of 5 points in a unit square (image_transforms/interpolation.h, `get_face_chip_details`)."""


def chip_transforms(points: Tensor) -> Tensor:
    """Least-squares similarities from chip to crop pixels (Umeyama 1991, without a reflection).

    Args:
        points: `(N, 5, 2)` landmarks (x, y) in crop pixels, in dlib's order.
    """
    mean_face = points.new_tensor(_MEAN_FACE)
    source = (mean_face + _CHIP_PADDING) / (2 * _CHIP_PADDING + 1) * CHIP_SIDE
    a, b = source - source.mean(0), points - points.mean(1, keepdim=True)
    size = a.square().sum()
    cos = (a * b).sum((1, 2)) / size
    sin = (a[:, 0] * b[..., 1] - a[:, 1] * b[..., 0]).sum(1) / size
    turn = similarity(cos, sin, torch.zeros_like(points[:, 0]))
    shift = points.mean(1) - turn[:, :2, :2] @ source.mean(0)
    return similarity(cos, sin, shift)


def similarity(cos: Tensor, sin: Tensor, shift: Tensor) -> Tensor:
    """Rotation with scale, cosine and sine `(N,)` times the scale, then a shift `(N, 2)`."""
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    rows = [torch.stack([cos, -sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)]
    return torch.stack([*rows, torch.stack([zero, zero, one], 1)], 1)


def inverse(transform: Tensor) -> Tensor:
    """Of invertible maps, without waiting for the device to say that they are."""
    inverted: Tensor = torch.linalg.inv_ex(transform).inverse
    return inverted


def pixels_of(side: int, like: Tensor) -> Tensor:
    """Coordinates (x, y) of the pixels of a square picture, `(1, side * side, 2)`, row by row."""
    return create_meshgrid(side, side, normalized_coordinates=False, device=like.device, dtype=like.dtype).flatten(1, 2)


def apply(transform: Tensor, points: Tensor) -> Tensor:
    """Points `(1 or N, P, 2)` through maps: `(N, P, 2)`."""
    return points @ transform[:, :2, :2].transpose(1, 2) + transform[:, None, :2, 2]


def resample(frames: Tensor, to_crop: Tensor, side: int) -> Tensor:
    """Square pictures of crops, bilinear; what lies outside repeats the border.

    Args:
        frames: whole crops `(N, C, H, W)`, any dtype.
        to_crop: maps from the pixels of the picture to crop pixels.

    Returns:
        float32 `(N, C, side, side)` in the range of `frames`.
    """
    crop = apply(to_crop, pixels_of(side, to_crop)).view(-1, side, side, 2)
    grid = (crop + 0.5) / (CROP_SIDE / 2) - 1.0
    return functional.grid_sample(frames.float(), grid, padding_mode="border", align_corners=False)
