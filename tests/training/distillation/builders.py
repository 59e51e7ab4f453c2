"""A small school: drawn people, a teacher of random numbers, an encoder of a few hundred."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from crystaledge.sources.identities import Catalogue, split_by_identity
from crystaledge_training.distillation.config import BatchConfig, DistilConfig
from crystaledge_training.distillation.distil import DistilRequest
from crystaledge_training.distillation.geometry import CROP_SIDE
from crystaledge_training.distillation.tutor import Landmarks, Tutor
from tests.training.builders import TINY_SPEC

EMBEDDING = 12
"""Length of what the tiny teacher says."""
DIMENSIONS = 6
CENTRED = np.array([[96.0, 48.0], [78.0, 50.0], [28.0, 48.0], [48.0, 50.0], [64.0, 84.0]], np.float32)
"""A face in the middle of a crop of 128 px."""

TINY_CONFIG = DistilConfig(
    preprocessing=TINY_SPEC,
    dimensions=DIMENSIONS,
    batch=BatchConfig(rows=128, blends=0.25, severe=0.25),
    epochs=3,
    steps_per_epoch=2,
    seed=1,
)
"""Shares: 64 ordinary rows, 32 blends, 32 severe ones."""


class TinyTeacher(nn.Module):
    """A fixed random function of the chip's coarse picture."""

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(EMBEDDING, 48, generator=generator))
        self.chips_seen = 0

    def forward(self, chips: Tensor) -> Tensor:
        self.chips_seen += len(chips)
        return functional.adaptive_avg_pool2d(chips / 255.0 - 0.5, 4).flatten(1) @ self.weight.T


class TinyEncoder(nn.Module):
    """One convolution; says what it is asked for."""

    def __init__(self, *, with_quality: bool = True) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 5, 4, 2), nn.BatchNorm2d(8), nn.ReLU())
        self.embedding = nn.Linear(8 * 8 * 8, DIMENSIONS, bias=False)
        self.quality = nn.Linear(8 * 8 * 8, 1) if with_quality else None

    def forward(self, face: Tensor) -> Any:
        features = self.stem(face).flatten(1)
        return self.embedding(features) if self.quality is None else (self.embedding(features), self.quality(features))


def tiny_tutor(*, sha256: str = "0" * 64, detected: bool = True) -> Tutor:
    """A tutor whose landmarks are always in the middle."""

    def find(crop: NDArray[np.uint8]) -> Landmarks:
        assert crop.shape == (128, 128, 3)
        assert crop.dtype == np.uint8
        return Landmarks(CENTRED + np.float32(crop[0, 0, 0] / 64.0), detected)

    return Tutor(network=TinyTeacher(), find_landmarks=find, sha256=sha256)


def request_of(people: Catalogue, out: Path, **changes: Any) -> DistilRequest:
    """Six of ten people to train on, four held out."""
    trained, held_out = split_by_identity(people, held_out=0.4, seed=1)
    plain = DistilRequest(
        people=trained,
        held_out=held_out,
        encoder=TinyEncoder,
        teacher=None,
        out=out,
        config=TINY_CONFIG,
        progress=False,
    )
    return replace(plain, **changes)


def inference_transform(side: int, center_share: float, like: Tensor) -> Tensor:
    """Map of the view that inference takes, `(1, 3, 3)` from its pixels to crop pixels."""
    pitch = CROP_SIDE * center_share / side
    start = (CROP_SIDE - 1) / 2 - pitch * (side - 1) / 2
    return torch.tensor([[[pitch, 0.0, start], [0.0, pitch, start], [0.0, 0.0, 1.0]]], device=like.device)
