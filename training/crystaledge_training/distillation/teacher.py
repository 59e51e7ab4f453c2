"""dlib's face recognition network in torch: a ResNet of 29 convolutions, 5.6 M numbers, 128 dimensions.

Architecture: Davis King, dlib (Boost licence), examples/dnn_face_recognition_ex.cpp; what it was trained on and its
99.38 % on LFW: blog.dlib.net, 12 February 2017, and the README of dlib-models.
Each convolution carries the affine layer that follows it, as batch norm at inference.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

EMBEDDING = 128
_MEAN_RGB = (122.782, 117.001, 104.298)
_STEM = 32
_STAGES = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
"""Width, blocks, and whether the first block halves the size."""


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut without numbers; one that halves the size pads nothing."""

    def __init__(self, channels_in: int, channels_out: int, *, halves: bool) -> None:
        super().__init__()
        stride, padding = (2, 0) if halves else (1, 1)
        self.first = nn.Conv2d(channels_in, channels_out, 3, stride, padding)
        self.second = nn.Conv2d(channels_out, channels_out, 3, 1, 1)
        self.halves = halves

    def forward(self, x: Tensor) -> Tensor:
        main = self.second(functional.relu(self.first(x)))
        return functional.relu(add_padded(main, functional.avg_pool2d(x, 2, 2) if self.halves else x))


class DlibResNet(nn.Module):
    """RGB chips `(N, 3, 150, 150)` in [0, 255] to descriptors `(N, 128)`, whose distances are Euclidean."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(_MEAN_RGB).view(1, 3, 1, 1), persistent=False)
        self.stem = nn.Conv2d(3, _STEM, 7, 2)
        widths = [_STEM]
        self.blocks = nn.Sequential()
        for width, count, halves in _STAGES:
            for index in range(count):
                self.blocks.append(Block(widths[-1], width, halves=halves and index == 0))
                widths.append(width)
        self.embedding = nn.Linear(widths[-1], EMBEDDING, bias=False)

    def forward(self, chips: Tensor) -> Tensor:
        stem = functional.relu(self.stem((chips - self.mean) / 256.0))
        features: Tensor = self.blocks(functional.max_pool2d(stem, 3, 2))
        # Never in half precision: the directions of descriptors are what a student is held to.
        with torch.autocast(chips.device.type, enabled=False):
            descriptor: Tensor = self.embedding(features.mean(dim=(2, 3)).float())
        return descriptor

    @property
    def convolutions(self) -> list[nn.Conv2d]:
        """All of them, from the input to the output."""
        return [module for module in self.modules() if isinstance(module, nn.Conv2d)]


def add_padded(a: Tensor, b: Tensor) -> Tensor:
    """dlib's sum: what is missing in either of them, channels, rows or columns, counts as 0."""
    size = [max(x, y) for x, y in zip(a.shape[1:], b.shape[1:], strict=True)]
    return _grown(a, size) + _grown(b, size)


def _grown(x: Tensor, size: list[int]) -> Tensor:
    channels, rows, columns = (wanted - has for wanted, has in zip(size, x.shape[1:], strict=True))
    return functional.pad(x, (0, columns, 0, rows, 0, channels))
