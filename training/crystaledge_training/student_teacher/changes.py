"""Mild changes to normal images that leave them normal."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from crystaledge_training.student_teacher.train_config import ChangeConfig


class MildChanges(nn.Module):
    """Another pose and another light for each image of a batch, drawn from torch's global generator on the CPU."""

    def __init__(self, config: ChangeConfig) -> None:
        super().__init__()
        self._config = config

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """float32 `(B, 3, H, W)` in [0, 1] to the same; what comes in from outside mirrors the border."""
        grid = functional.affine_grid(
            self._transforms(images).to(images.device), list(images.shape), align_corners=False
        )
        posed = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
        exposure, contrast = (
            torch.empty(len(images), 1, 1, 1).uniform_(*span).to(images.device)
            for span in (self._config.exposure, self._config.contrast)
        )
        lit = posed * exposure
        mean = lit.mean(dim=(1, 2, 3), keepdim=True)
        return ((lit - mean) * contrast + mean).clamp(0.0, 1.0)

    def _transforms(self, images: Tensor) -> Tensor:
        """`(B, 2, 3)`: where in the source, in units of half its sides, each target place looks."""
        config, count = self._config, len(images)
        height, width = images.shape[2:]
        zoom = torch.empty(count).uniform_(*config.zoom)
        angle = torch.empty(count).uniform_(-config.rotation_rad, config.rotation_rad)
        shift = torch.empty(count, 2).uniform_(-2.0 * config.shift, 2.0 * config.shift)
        hand = torch.randint(0, 2, (count,)) * 2.0 - 1.0 if config.mirror else torch.ones(count)
        cos, sin = zoom * angle.cos(), zoom * angle.sin()
        across = torch.stack([hand * cos, -sin * (height / width), shift[:, 0]], dim=1)
        down = torch.stack([hand * sin * (width / height), cos, shift[:, 1]], dim=1)
        return torch.stack([across, down], dim=1)
