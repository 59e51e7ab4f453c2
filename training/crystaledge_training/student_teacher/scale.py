"""The units in which a pair is compared: of each channel of the teacher, and of each level's distance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor

from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.student_teacher.images import NetworkInputs, ResizedImages, batches_in_order
from crystaledge_training.student_teacher.network import ChannelUnits, StudentTeacher

_SMALLEST = 1e-6
"""Of a mean distance or a spread: what is the same to the last bit says nothing."""


@torch.no_grad()
def fit_units(network: StudentTeacher, images: ResizedImages, preprocessing: Preprocessing, *, batch_size: int) -> None:
    """Set the units of each channel to its mean and standard deviation over all places of the training images.

    A channel that never changes keeps a gain of 1. Without units, nothing is done.
    """
    if not len(network.units):
        return
    count = 0
    sums = [torch.zeros(2, channels, dtype=torch.float64) for channels in network.teacher.channels]
    for batch in _inputs(images, preprocessing, batch_size):
        count += len(batch)
        for both, level in zip(sums, network.teacher(batch), strict=True):
            values = level.double()
            both += len(batch) * torch.stack([values.mean((0, 2, 3)), values.square().mean((0, 2, 3))])
    for units, both in zip(network.units, sums, strict=True):
        _set(cast("ChannelUnits", units), *(both / count))


def _set(units: ChannelUnits, mean: Tensor, square: Tensor) -> None:
    spread = (square - mean.square()).clamp_min(0.0).sqrt()
    units.mean.copy_(mean[:, None, None])
    units.gain.copy_(torch.where(spread > _SMALLEST, 1.0 / spread, torch.ones_like(spread))[:, None, None])


@torch.no_grad()
def fit_scale(network: StudentTeacher, images: ResizedImages, preprocessing: Preprocessing, *, batch_size: int) -> None:
    """Set the scale of each level to one over its mean distance on normal images that did not train the student.

    Args:
        network: in inference mode.
    """
    total = torch.zeros(len(network.level_scale), dtype=torch.float64)
    for batch in _inputs(images, preprocessing, batch_size):
        levels = network.distances(batch)
        total += torch.stack([level.mean(dtype=torch.float64) for level in levels]) * len(batch)
    network.level_scale.copy_(1.0 / (total / len(images)).clamp_min(_SMALLEST))


def _inputs(images: ResizedImages, preprocessing: Preprocessing, batch_size: int) -> Iterator[Tensor]:
    inputs = NetworkInputs(preprocessing)
    return (inputs(batch.float() / 255.0) for batch in batches_in_order(images, batch_size=batch_size))
