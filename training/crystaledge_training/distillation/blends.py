"""Faces that nobody has: two people in one picture, which a teacher embeds somewhere between them.

A few thousand people are few points of the teacher's space; between them lie as many as one likes. What the student
learns there is the teacher's function, not who is who.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from crystaledge_training.distillation.geometry import CHIP_SIDE, apply, inverse, pixels_of, resample
from crystaledge_training.distillation.views import chip_mirrors, uniform

_SOFTNESS_PX = 8.0
"""Width of a cut's edge, in chip pixels."""
_OFFSET_PX = 20.0
"""Farthest that a cut lies from the middle of the chip."""
_EVEN_WEIGHT = (0.35, 0.65)


@dataclass(frozen=True, slots=True)
class Blend:
    """How two people share a picture, in chip coordinates; weight 1 is all of the first."""

    normal: Tensor
    """Directions of the cuts, `(N, 2)` unit vectors."""
    offset_px: Tensor
    """`(N,)` distances of the cuts from the middle."""
    low: Tensor
    high: Tensor
    """`(N, 1, 1)`: the weights far on either side of the cut; equal for an even blend."""


@dataclass(frozen=True, slots=True)
class PeopleToBlend:
    """Rows of two people that meet in one picture."""

    first: Tensor
    second: Tensor
    """Whole crops `(N, 3, H, W)`."""
    first_to_crop: Tensor
    second_to_crop: Tensor
    """Maps from chip to crop pixels, `(N, 3, 3)`: the landmarks of both are laid upon each other."""


def draw_blends(count: int, like: Tensor) -> Blend:
    """Half even blends of weight 0.35 to 0.65, half soft cuts through the face in any direction."""
    angle = uniform(count, 0.0, 2 * math.pi, like)
    even = torch.rand(count, device=like.device) < 0.5
    weight = uniform(count, *_EVEN_WEIGHT, like)
    low = torch.where(even, weight, 0.0)
    high = torch.where(even, weight, 1.0)
    offset = uniform(count, -_OFFSET_PX, _OFFSET_PX, like)
    return Blend(torch.stack([angle.cos(), angle.sin()], 1), offset, low.view(-1, 1, 1), high.view(-1, 1, 1))


def first_weight(blend: Blend, to_chip: Tensor, side: int) -> Tensor:
    """Weight of the first person at each pixel of a square picture, `(N, 1, side, side)` in [0, 1].

    Args:
        to_chip: maps from the picture's pixels to chip pixels.
    """
    from_middle = apply(to_chip, pixels_of(side, to_chip)) - (CHIP_SIDE - 1) / 2
    along = (from_middle * blend.normal[:, None]).sum(-1) - blend.offset_px[:, None]
    share = torch.sigmoid(along / _SOFTNESS_PX).view(-1, side, side)
    return (blend.low + (blend.high - blend.low) * share)[:, None]


def blended_view(people: PeopleToBlend, blend: Blend, view_to_crop: Tensor, side: int) -> Tensor:
    """The student's view of blended people: float32 `(N, 3, side, side)` in the range of the crops.

    Args:
        view_to_crop: maps from the view's pixels to crop pixels of the first person.
    """
    to_chip = inverse(people.first_to_crop) @ view_to_crop
    first = resample(people.first, view_to_crop, side)
    second = resample(people.second, people.second_to_crop @ to_chip, side)
    return torch.lerp(second, first, first_weight(blend, to_chip, side))


def blended_chip(people: PeopleToBlend, blend: Blend, mirrored: Tensor) -> Tensor:
    """The teacher's view of the same blend, `(N, 3, 150, 150)`; mirrored where `mirrored` `(N,)` is true."""
    flip = chip_mirrors(mirrored)
    first = resample(people.first, people.first_to_crop @ flip, CHIP_SIDE)
    second = resample(people.second, people.second_to_crop @ flip, CHIP_SIDE)
    return torch.lerp(second, first, first_weight(blend, flip, CHIP_SIDE))
