"""What a student and its teacher see of a face: the same crop, jittered for the one and aligned for the other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from crystaledge_training.distillation.geometry import CHIP_SIDE, CROP_SIDE, resample, similarity

_CENTRE = (CROP_SIDE - 1.0) / 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewConfig:
    """Strength of what happens to a student's view; the teacher's is clean."""

    zoom: tuple[float, float] = (0.88, 1.14)
    """Against the part of the crop that inference takes."""
    stretch: float = 0.05
    """Largest change of the width against the height."""
    shift_px: float = 6.0
    """Of a crop of 128 px, each way."""
    rotation_rad: float = 0.12
    fault_share: float = 0.3
    """Share of the ordinary rows that get a light fault."""
    exposure_share: float = 0.5
    grey_share: float = 0.08


def uniform(count: int, low: float, high: float, like: Tensor) -> Tensor:
    """`(count,)` numbers in [low, high) beside `like`, drawn from torch's global generator."""
    return torch.rand(count, device=like.device) * (high - low) + low


def signs(count: int, like: Tensor) -> Tensor:
    """`(count,)` of -1 (mirrored) and 1, half and half."""
    return torch.where(torch.rand(count, device=like.device) < 0.5, -1.0, 1.0)


def jittered_transforms(count: int, side: int, center_share: float, config: ViewConfig, like: Tensor) -> Tensor:
    """Maps from a jittered, perhaps mirrored view to crop pixels, `(count, 3, 3)` beside `like`.

    Args:
        side: pixels of the view.
        center_share: share of the crop that inference keeps, around its centre; the view jitters around it.
    """
    zoom = uniform(count, *config.zoom, like) * (CROP_SIDE * center_share / side)
    angle = uniform(count, -config.rotation_rad, config.rotation_rad, like)
    shift = (torch.rand(count, 2, device=like.device) * 2 - 1) * config.shift_px + _CENTRE
    turn = similarity(zoom * angle.cos(), zoom * angle.sin(), shift)
    stretch = 1 + uniform(count, -config.stretch, config.stretch, like)
    return turn @ _about_middle(signs(count, like) * stretch, 1 / stretch, side)


def _about_middle(across: Tensor, down: Tensor, side: int) -> Tensor:
    """Scale pixel coordinates, counted from the middle of the view from then on."""
    middle = (side - 1) / 2
    scale = torch.diag_embed(torch.stack([across, down, torch.ones_like(across)], 1))
    scale[:, 0, 2], scale[:, 1, 2] = -middle * across, -middle * down
    return scale


def chip_mirrors(mirrored: Tensor) -> Tensor:
    """Maps of a chip to itself, or to its mirror image where `mirrored` `(N,)` is true."""
    across = torch.where(mirrored, -1.0, 1.0)
    one = torch.ones_like(across)
    flip = torch.diag_embed(torch.stack([across, one, one], 1))
    flip[:, 0, 2] = (CHIP_SIDE - 1) * mirrored.float()
    return flip


def chips(frames: Tensor, to_crop: Tensor, mirrored: Tensor) -> Tensor:
    """The teacher's view: `(N, 3, 150, 150)` in the range of `frames`.

    Args:
        frames: whole crops `(N, 3, H, W)`.
        to_crop: maps from chip to crop pixels.
        mirrored: bool `(N,)`.
    """
    return resample(frames, to_crop @ chip_mirrors(mirrored), CHIP_SIDE)
