"""The variant's encoder: inverted residuals that spend their parameters where a face of 64 pixels has detail.

MobileNetV2's block (Sandler et al., 2018), seven times; instead of a mean over the last map, a depthwise convolution of
its size, as MobileFaceNet has it (Chen et al., 2018), since the middle of a face and its border say different things.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

STEM_CHANNELS = 16
_LAST_SIDE = 8
"""Of the last map of a 64 pixel face."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSize:
    """One inverted residual."""

    channels: int
    expanded: int
    stride: int = 1


BLOCKS = (
    BlockSize(channels=24, expanded=48),
    BlockSize(channels=24, expanded=48),
    BlockSize(channels=24, expanded=48),
    BlockSize(channels=40, expanded=72, stride=2),
    BlockSize(channels=40, expanded=80),
    BlockSize(channels=40, expanded=80),
    BlockSize(channels=56, expanded=96, stride=2),
)
"""Most of them at 32x32 and 16x16 pixels."""
FEATURES = BLOCKS[-1].channels


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise 3x3, project 1x1, each with batch norm; added to its input where shapes allow."""

    def __init__(self, channels_in: int, size: BlockSize) -> None:
        super().__init__()
        wide, out = size.expanded, size.channels
        self.expand = nn.Sequential(nn.Conv2d(channels_in, wide, 1, bias=False), nn.BatchNorm2d(wide))
        self.depthwise = nn.Sequential(
            nn.Conv2d(wide, wide, 3, size.stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide)
        )
        self.project = nn.Sequential(nn.Conv2d(wide, out, 1, bias=False), nn.BatchNorm2d(out))
        self.residual = size.stride == 1 and channels_in == out

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C_in, H, W)` to `(B, C_out, H / stride, W / stride)`."""
        inner = functional.relu(self.depthwise(functional.relu(self.expand(x))))
        projected: Tensor = self.project(inner)
        return x + projected if self.residual else projected


class WideEncoder(nn.Module):
    """Faces `(B, 3, 64, 64)` to features `(B, 56)` and the embedding `(B, dimensions)`; 47,528 parameters for 64."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, STEM_CHANNELS, 3, 2, 1, bias=False), nn.BatchNorm2d(STEM_CHANNELS))
        widths = (STEM_CHANNELS, *(block.channels for block in BLOCKS))
        self.blocks = nn.Sequential(*(InvertedResidual(w, b) for w, b in zip(widths[:-1], BLOCKS, strict=True)))
        self.gather = nn.Sequential(
            nn.Conv2d(FEATURES, FEATURES, _LAST_SIDE, groups=FEATURES, bias=False), nn.BatchNorm2d(FEATURES)
        )
        self.embedding = nn.Linear(FEATURES, dimensions, bias=False)

    def forward(self, face: Tensor) -> tuple[Tensor, Tensor]:
        """Features, from which quality is read, and the embedding."""
        features = self.gather(self.blocks(functional.relu(self.stem(face)))).flatten(1)
        return features, self.embedding(features)
