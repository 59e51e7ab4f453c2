"""Augmentation that resembles cameras: crop jitter, exposure, blur, noise, occlusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from kornia import augmentation as kornia
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentConfig:
    """Strengths. Probabilities are per frame; `zoom` is against the crop that inference takes."""

    zoom: tuple[float, float] = (0.9, 1.12)
    shift: float = 0.03
    rotation_rad: float = 0.07
    brightness: tuple[float, float] = (0.7, 1.3)
    contrast: tuple[float, float] = (0.7, 1.3)
    gamma: tuple[float, float] = (0.7, 1.5)
    exposure_probability: float = 0.35
    blur_probability: float = 0.1
    motion_probability: float = 0.05
    noise_std: float = 0.03
    noise_probability: float = 0.15
    occlusion_probability: float = 0.1
    grey_probability: float = 0.1
    severe_probability: float = 0.2
    """Share of the frames of sequences that are taken badly, so that the quality gate has something to learn."""


class CropJitter(nn.Module):
    """Random mirror, zoom, shift and rotation, resampled straight to the network's size."""

    def __init__(self, size_hw: tuple[int, int], center_share: float, config: AugmentConfig) -> None:
        super().__init__()
        self._center_share = center_share
        self._size_hw = size_hw
        self._config = config

    def forward(self, frames: Tensor) -> Tensor:
        """`(N, 3, H, W)` in [0, 1] to `(N, 3, h, w)`; what lies outside repeats the border."""
        grid = functional.affine_grid(
            self._transforms(len(frames)).to(frames.device), [len(frames), 3, *self._size_hw], align_corners=False
        )
        return functional.grid_sample(frames, grid, padding_mode="border", align_corners=False)

    def _transforms(self, count: int) -> Tensor:
        config = self._config
        zoom = torch.empty(count).uniform_(*config.zoom) * self._center_share
        angle = torch.empty(count).uniform_(-config.rotation_rad, config.rotation_rad)
        mirror = torch.randint(0, 2, (count,)) * 2.0 - 1.0
        shift = torch.empty(count, 2).uniform_(-2.0 * config.shift, 2.0 * config.shift)
        cos, sin = zoom * angle.cos(), zoom * angle.sin()
        rows = [torch.stack([mirror * cos, -sin, shift[:, 0]], 1), torch.stack([mirror * sin, cos, shift[:, 1]], 1)]
        return torch.stack(rows, 1)


class CameraAugmentation(nn.Module):
    """Whole uint8 frames to float crops in [0, 1] at the network's size.

    Args:
        center_share: share of the frame that inference keeps; the crop jitters around it.
    """

    def __init__(self, size_hw: tuple[int, int], config: AugmentConfig, *, center_share: float = 1.0) -> None:
        super().__init__()
        self.jitter = CropJitter(size_hw, center_share, config)
        exposed = config.exposure_probability
        self.camera = nn.Sequential(
            kornia.RandomBrightness(config.brightness, p=exposed),
            kornia.RandomContrast(config.contrast, p=exposed),
            kornia.RandomGamma(config.gamma, p=exposed / 2),
            kornia.RandomGrayscale(p=config.grey_probability),
            kornia.RandomGaussianBlur((5, 5), (0.4, 1.6), p=config.blur_probability),
            kornia.RandomMotionBlur((3, 7), 90.0, 0.5, p=config.motion_probability),
            kornia.RandomErasing((0.03, 0.2), (0.4, 2.5), p=config.occlusion_probability),
            kornia.RandomGaussianNoise(0.0, config.noise_std, p=config.noise_probability),
        )

    @torch.no_grad()
    def forward(self, frames: Tensor) -> Tensor:
        """uint8 `(N, 3, H, W)` to float32 `(N, 3, h, w)` in [0, 1], drawn from torch's global generator."""
        augmented: Tensor = self.camera(self.jitter(frames.float() / 255.0))
        return augmented.clamp(0.0, 1.0)


class SevereDegradation(nn.Module):
    """Frames that a person would call useless: far out of focus, dark, noisy, or half covered."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self._probability = probability
        self.kinds = nn.ModuleList(
            [
                kornia.RandomGaussianBlur((15, 15), (2.0, 5.0), p=1.0),
                nn.Sequential(
                    kornia.RandomBrightness((0.1, 0.35), p=1.0), kornia.RandomGaussianNoise(0.0, 0.05, p=1.0)
                ),
                kornia.RandomGaussianNoise(0.0, 0.2, p=1.0),
                kornia.RandomErasing((0.25, 0.55), (0.5, 2.0), p=1.0),
            ]
        )

    @torch.no_grad()
    def forward(self, frames: Tensor) -> Tensor:
        """float32 `(N, 3, h, w)` in [0, 1], some of them spoilt in one way each."""
        spoilt = frames.clone()
        chosen = torch.rand(len(frames)) < self._probability
        kind = torch.randint(0, len(self.kinds), (len(frames),))
        for index, degrade in enumerate(self.kinds):
            rows = (chosen & (kind == index)).nonzero().flatten().to(frames.device)
            if len(rows):
                spoilt[rows] = degrade(frames[rows]).clamp(0.0, 1.0)
        return spoilt


def degrade(pixels: NDArray[np.uint8], share: float, *, seed: int) -> NDArray[np.uint8]:
    """Spoil a share of uint8 frames `(N, h, w, 3)`; equal seeds spoil the same frames in the same way."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        frames = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255.0
        spoilt = torch.cat([SevereDegradation(share)(chunk) for chunk in torch.split(frames, 512)])
    rounded: NDArray[np.uint8] = (spoilt * 255.0).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    return rounded


class Normalise(nn.Module):
    """(x - mean) / std per channel, on frames in units of `255 * scale`."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, float, float], std: tuple[float, float, float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """float32 `(N, 3, h, w)` to the same shape."""
        return (frames - self.mean) / self.std
