"""Phantom: a stride-4 face detector and a recurrent cell that follows faces (72,053 parameters by default).

Both modules are pure: what lasts from frame to frame (feature maps, hidden states) goes in and comes out, and lies
with the host. Box maps and codec: `crystaledge.detection.codec`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from crystaledge.detection.track_inputs import ROI_CELLS
from crystaledge_training.blocks import DepthwiseResidual
from crystaledge_training.initialisation import initialise
from crystaledge_training.phantom.config import PRIOR_PROBABILITY, PhantomConfig


class Maps(NamedTuple):
    """What the detector says of an image `(B, 3, H, W)`, a cell every 4 px."""

    logit: Tensor
    """`(B, 1, H/4, W/4)`: of a face centred near the cell."""
    box: Tensor
    """`(B, 4, H/4, W/4)`: offset of the centre in strides, log of the size in strides."""
    features: Tensor
    """`(B, stage2, H/4, W/4)`, at least 0."""


class TrackStep(NamedTuple):
    """What one look at a track gives."""

    hidden: Tensor
    """The next state, `(N, track_hidden)`."""
    box_delta: Tensor
    """`(N, 4)`: correction of the box looked at, as shift over size and log of the growth."""
    score: Tensor
    """`(N, 1)` in (0, 1): that a face is there."""
    velocity: Tensor
    """`(N, 2)`: movement of the centre to the next frame, in sizes of the box."""
    birth: Tensor
    """`(N, 1)` in (0, 1): that what the patch shows is a face, from this look alone."""


class Detector(nn.Module):
    """Backbone and head. Stage 3 belongs to the published backbone; no head reads it."""

    def __init__(self, config: PhantomConfig) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, config.stem, 3, 2, 1), nn.BatchNorm2d(config.stem))
        self.stage1 = _stage(config.stem, config.stage1, stride=1)
        self.stage2 = _stage(config.stage1, config.stage2, stride=2)
        self.stage3 = _stage(config.stage2, config.stage3, stride=2) if config.stage3 else None
        self.shared = nn.Conv2d(config.stage2, config.stage2, 3, 1, 1)
        self.logit = nn.Conv2d(config.stage2, 1, 1)
        self.box = nn.Conv2d(config.stage2, 4, 1)

    def features(self, image: Tensor) -> Tensor:
        """Features `(B, stage2, H/4, W/4)` of images `(B, 3, H, W)`."""
        stem = functional.relu(self.stem(image))
        features: Tensor = self.stage2(self.stage1(stem))
        return features

    def forward(self, image: Tensor) -> Maps:
        """Maps of images `(B, 3, H, W)`; height and width are multiples of 4."""
        features = self.features(image)
        shared = functional.relu(self.shared(features))
        return Maps(self.logit(shared), self.box(shared), features)


class TrackCell(nn.Module):
    """One look at each track: features around its centre, its patch, and its state."""

    def __init__(self, config: PhantomConfig) -> None:
        super().__init__()
        self.roi = nn.Linear(config.stage2 * ROI_CELLS**2, config.roi)
        self.event1 = nn.Sequential(nn.Conv2d(4, 16, 3, 2, 1), nn.BatchNorm2d(16))
        self.event2 = nn.Sequential(nn.Conv2d(16, config.event, 3, 2, 1), nn.BatchNorm2d(config.event))
        self.merge = nn.Linear(config.roi + config.event, config.track_hidden)
        self.cell = nn.GRUCell(config.track_hidden, config.track_hidden)
        self.box_delta = nn.Linear(config.track_hidden, 4)
        self.score = nn.Linear(config.track_hidden, 1)
        self.velocity = nn.Linear(config.track_hidden, 2)
        self.birth = nn.Linear(config.event, 1)

    def forward(self, roi: Tensor, patch: Tensor, hidden: Tensor) -> TrackStep:
        """One step: `roi` `(N, stage2 * 9)`, `patch` `(N, 4, 48, 48)`, `hidden` zeros for a new track."""
        event = functional.relu(self.event2(functional.relu(self.event1(patch)))).mean(dim=(2, 3))
        seen = functional.relu(self.merge(torch.cat([functional.relu(self.roi(roi)), event], dim=1)))
        following = self.cell(seen, hidden)
        return TrackStep(
            following,
            self.box_delta(following),
            0.5 * torch.tanh(self.score(following)) + 0.5,
            self.velocity(following),
            torch.sigmoid(self.birth(event)),
        )


class Phantom(nn.Module):
    """Detector and track cell: what a checkpoint holds."""

    def __init__(self, config: PhantomConfig) -> None:
        super().__init__()
        self.config = config
        self.detector = Detector(config)
        self.track = TrackCell(config)
        self.apply(initialise)
        prior = torch.full((1,), _prior_bias(PRIOR_PROBABILITY))
        self.detector.logit.bias = nn.Parameter(prior)


def _prior_bias(probability: float) -> float:
    return -math.log((1.0 - probability) / probability)


def _stage(channels_in: int, channels_out: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(
        DepthwiseResidual(channels_in, channels_out, stride=stride),
        DepthwiseResidual(channels_out, channels_out, stride=1),
    )
