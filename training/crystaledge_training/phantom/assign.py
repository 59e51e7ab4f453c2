"""Which cells a face is learnt at, and what they should say: the training half of the box codec.

Cells lie every `STRIDE_PX`, their centres at `(i + 0.5) * STRIDE_PX`. A face belongs to the cells within 1.5 cells of
its centre (centre sampling: Tian et al., FCOS, 2019; radius as in reference P9) that lie inside it; where two faces
claim a cell, the smaller one gets it. One octave of the image pyramid answers for faces of `POSITIVE_PX`; those a
little outside, and ignored ones, are neither right nor wrong there, and faces beyond `NEAR_PX` are background, since
another octave has them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from crystaledge.detection.codec import LARGEST_LOG, STRIDE_PX

CENTRE_RADIUS_CELLS = 1.5
POSITIVE_PX = (8.0, 28.0)
"""Square root of the area of faces that an octave is taught; the head sees 31 px."""
NEAR_PX = (5.0, 40.0)
"""Faces of this size are not taught as background either."""


class Targets(NamedTuple):
    """What the maps of a batch should say; `K` cells are positive."""

    positive: Tensor
    """bool `(B, h, w)`."""
    counts: Tensor
    """bool `(B, h, w)`: cells that are taught at all."""
    box_xyxy: Tensor
    """float32 `(K, 4)`: the face of each positive cell, in the order of `positive.nonzero()`."""


def assign(box_xyxy: Tensor, kind: Tensor, map_hw: tuple[int, int]) -> Targets:
    """Targets of a batch.

    Args:
        box_xyxy: float32 `(B, N, 4)`, pixels of the image.
        kind: int64 `(B, N)`: 1 a face, 0 an ignored region, -1 padding.
        map_hw: size of the maps.
    """
    x, y = cell_centres(map_hw, box_xyxy.device)
    size = ((box_xyxy[..., 2] - box_xyxy[..., 0]) * (box_xyxy[..., 3] - box_xyxy[..., 1])).clamp(min=0).sqrt()
    taught = (kind == 1) & (size >= POSITIVE_PX[0]) & (size <= POSITIVE_PX[1])
    near = ~taught & (kind >= 0) & ((kind == 0) | ((size >= NEAR_PX[0]) & (size <= NEAR_PX[1])))
    x1, y1, x2, y2 = (v[..., None, None] for v in box_xyxy.unbind(-1))
    within = (x > x1) & (x < x2) & (y > y1) & (y < y2)
    reach = CENTRE_RADIUS_CELLS * STRIDE_PX
    central = within & ((x - (x1 + x2) / 2).abs() <= reach) & ((y - (y1 + y2) / 2).abs() <= reach)
    claims = torch.where(central & taught[..., None, None], size[..., None, None], torch.inf)
    smallest, owner = claims.min(dim=1)
    positive = smallest.isfinite()
    counts = positive | ~(within & near[..., None, None]).any(dim=1)
    batch = torch.arange(len(box_xyxy), device=box_xyxy.device)[:, None, None].expand_as(owner)
    return Targets(positive, counts, box_xyxy[batch[positive], owner[positive]])


def cell_centres(map_hw: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Centres of cells in pixels: x `(1, w)` and y `(h, 1)`."""
    x = (torch.arange(map_hw[1], device=device, dtype=torch.float32) + 0.5) * STRIDE_PX
    y = (torch.arange(map_hw[0], device=device, dtype=torch.float32) + 0.5) * STRIDE_PX
    return x[None, :], y[:, None]


def decode(box: Tensor) -> Tensor:
    """Boxes of all cells `(B, h, w, 4)` from maps `(B, 4, h, w)`; axes are moved, never reshaped."""
    shift_x, shift_y, log_w, log_h = box.unbind(1)
    x, y = cell_centres((box.shape[2], box.shape[3]), box.device)
    centre_x, centre_y = x + STRIDE_PX * shift_x, y + STRIDE_PX * shift_y
    half_w = 0.5 * STRIDE_PX * _bounded(log_w).exp()
    half_h = 0.5 * STRIDE_PX * _bounded(log_h).exp()
    return torch.stack([centre_x - half_w, centre_y - half_h, centre_x + half_w, centre_y + half_h], dim=-1)


def _bounded(log_size: Tensor) -> Tensor:
    """At most `LARGEST_LOG`; the gradient passes as if it were not, or a box that once ran away never came back."""
    return log_size - (log_size - log_size.clamp(max=LARGEST_LOG)).detach()
