"""What cameras do to faces: exposure for everyone, light faults for some, faults that hide who it is for a few.

The strengths are those that the recipe was measured with; everything is drawn on the faces' own device from torch's
global generator, one fault a row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from kornia.filters import filter2d
from torch import Tensor
from torch.nn import functional

from crystaledge_training.distillation.views import ViewConfig, uniform

KINDS = 16
"""Rows of a batch come in so many kinds of faults, by their place, so that no kind is missing."""
_REACH_PX = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultConfig:
    """Ranges of each kind of fault, on faces of 64 px."""

    focus_px: tuple[float, float]
    """Standard deviation of the blur."""
    motion_px: tuple[float, float]
    sides_px: tuple[int, int, int, int]
    """A face is seen at one of these sizes and enlarged again."""
    gain: tuple[float, float]
    noise: tuple[float, float]
    covered: tuple[float, float]
    """Share of the area."""


LIGHT = FaultConfig(
    focus_px=(0.3, 1.5),
    motion_px=(0.0, 5.0),
    sides_px=(40, 32, 28, 24),
    gain=(0.4, 1.0),
    noise=(0.0, 0.05),
    covered=(0.02, 0.2),
)
SEVERE = FaultConfig(
    focus_px=(1.5, 4.5),
    motion_px=(0.0, 13.0),
    sides_px=(20, 16, 12, 8),
    gain=(0.08, 0.6),
    noise=(0.03, 0.18),
    covered=(0.15, 0.55),
)


def photograph(faces: Tensor, severe_rows: int, config: ViewConfig) -> Tensor:
    """Faces `(N, 3, h, w)` in [0, 1] as a camera gives them, in [0, 1] and rounded to bytes.

    The last `severe_rows` are taken badly, some of the others a little; both counts are multiples of `KINDS`.
    """
    exposed = exposure(faces, config)
    ordinary, bad = torch.split(exposed, [len(faces) - severe_rows, severe_rows])
    spoilt = _chosen(ordinary, config.fault_share)
    taken = torch.cat([torch.lerp(ordinary, faults(ordinary, LIGHT), spoilt), faults(bad, SEVERE)])
    return (taken.clamp(0.0, 1.0) * 255.0).round() / 255.0


def exposure(faces: Tensor, config: ViewConfig) -> Tensor:
    """Gain, contrast, gamma, colour cast and light from one side for some rows, no colour for a few."""
    count, mean = len(faces), faces.mean(dim=(1, 2, 3), keepdim=True)
    changed = (faces - mean) * _each(faces, 0.7, 1.3) + mean * _each(faces, 0.7, 1.3)
    changed = changed * (1 + 0.05 * torch.randn(count, 3, 1, 1, device=faces.device))
    changed = changed.clamp(1e-3, 1.0) ** torch.exp(_each(faces, -0.35, 0.35))
    across = torch.linspace(-1, 1, faces.shape[3], device=faces.device)
    changed = changed * (1 + across * _each(faces, -0.3, 0.3))
    exposed = torch.lerp(faces, changed, _chosen(faces, config.exposure_share))
    return torch.lerp(exposed, exposed.mean(dim=1, keepdim=True), _chosen(faces, config.grey_share))


def faults(faces: Tensor, config: FaultConfig) -> Tensor:
    """One fault each: every fourth row in turn blurred, shrunk, dim and noisy, or covered."""
    count = len(faces) // 4
    out = faces.clone()
    out[0::4] = blur(faces[0::4], uniform(count, *config.focus_px, faces), uniform(count, *config.motion_px, faces))
    for i, side in enumerate(config.sides_px):
        out[1 + 4 * i :: KINDS] = shrink(faces[1 + 4 * i :: KINDS], side)
    out[2::4] = dim_and_noisy(faces[2::4], config.gain, config.noise)
    out[3::4] = cover(faces[3::4], config.covered)
    return out


def blur(faces: Tensor, focus_px: Tensor, motion_px: Tensor) -> Tensor:
    """Out of focus by a Gaussian and moved along a random direction, each `(N,)`."""
    step = torch.arange(-_REACH_PX, _REACH_PX + 1, device=faces.device, dtype=torch.float32)
    angle = uniform(len(faces), 0.0, math.pi, faces).view(-1, 1, 1)
    x, y = step.view(1, 1, -1), step.view(1, -1, 1)
    along, across = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    outside = (along.abs() - motion_px.view(-1, 1, 1) / 2).clamp_min(0.0)
    narrow = focus_px.view(-1, 1, 1).clamp_min(0.3)
    kernel = torch.exp(-0.5 * ((outside / narrow) ** 2 + (across / narrow) ** 2))
    blurred: Tensor = filter2d(faces, kernel, border_type="replicate", normalized=True)
    return blurred


def shrink(faces: Tensor, side: int) -> Tensor:
    """Seen at `side` px and enlarged again."""
    small = functional.interpolate(faces, size=(side, side), mode="area")
    return functional.interpolate(small, size=faces.shape[2:], mode="bilinear", align_corners=False)


def dim_and_noisy(faces: Tensor, gain: tuple[float, float], noise: tuple[float, float]) -> Tensor:
    """Less light and a sensor's noise."""
    return faces * _each(faces, *gain) + torch.randn_like(faces) * _each(faces, *noise)


def cover(faces: Tensor, covered: tuple[float, float]) -> Tensor:
    """A rectangle of some share of the area, of one colour with some noise, put anywhere."""
    n, _, h, w = faces.shape
    area, ratio = _each(faces, *covered) * h * w, torch.exp(_each(faces, -0.7, 0.7))
    height, width = (area * ratio).sqrt().clamp(max=float(h)), (area / ratio).sqrt().clamp(max=float(w))
    top, left = _each(faces, 0.0, 1.0) * (h - height), _each(faces, 0.0, 1.0) * (w - width)
    y, x = torch.arange(h, device=faces.device).view(1, 1, -1, 1), torch.arange(w, device=faces.device)
    inside = (y >= top) & (y < top + height) & (x >= left) & (x < left + width)
    colour = torch.rand(n, 3, 1, 1, device=faces.device) + 0.1 * torch.randn(n, 1, h, w, device=faces.device)
    return torch.where(inside, colour, faces)


def _each(faces: Tensor, low: float, high: float) -> Tensor:
    return uniform(len(faces), low, high, faces).view(-1, 1, 1, 1)


def _chosen(faces: Tensor, share: float) -> Tensor:
    """1 for a share of the rows, else 0: `(N, 1, 1, 1)`."""
    return (torch.rand(len(faces), 1, 1, 1, device=faces.device) < share).float()
