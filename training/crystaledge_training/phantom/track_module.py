"""The Lightning module of the track cell: rolled out over short films, every output held to the truth."""

from __future__ import annotations

from typing import NamedTuple

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn import functional

from crystaledge_training.phantom.network import TrackCell, TrackStep
from crystaledge_training.phantom.track_data import TrackSequences
from crystaledge_training.phantom.train_config import PhantomTrainConfig
from crystaledge_training.schedule import learning_rate_factor

TRACK_METRIC = "validation/track_loss"
_DELTA_WEIGHT, _VELOCITY_WEIGHT = 10.0, 10.0
"""Shares of a size are small numbers."""
_EPSILON = 1e-6


class TrackLoss(NamedTuple):
    """Parts of the loss, scalars."""

    score: Tensor
    birth: Tensor
    box_delta: Tensor
    velocity: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return self.score + self.birth + _DELTA_WEIGHT * self.box_delta + _VELOCITY_WEIGHT * self.velocity


def roll_out(cell: TrackCell, sequences: TrackSequences) -> TrackStep:
    """All steps from fresh states; each field is `(M, T, ...)`."""
    hidden = torch.zeros(len(sequences.roi), cell.cell.hidden_size)
    steps = []
    for step in range(sequences.roi.shape[1]):
        looked = cell(sequences.roi[:, step], sequences.patch[:, step].float(), hidden)
        hidden = looked.hidden
        steps.append(looked)
    return TrackStep(*(torch.stack(values, dim=1) for values in zip(*steps, strict=True)))


def track_loss(looked: TrackStep, truth: TrackSequences) -> TrackLoss:
    """Cross entropy of the two scores; smooth L1 of box and movement where a face is."""
    face = truth.is_face
    faces = face.sum().clamp(min=1.0)

    def where_a_face_is(found: Tensor, wanted: Tensor) -> Tensor:
        error = functional.smooth_l1_loss(found, wanted, beta=0.1, reduction="none").mean(dim=2)
        return (error * face).sum() / faces

    return TrackLoss(
        _cross_entropy(looked.score[..., 0], face),
        _cross_entropy(looked.birth[..., 0], face),
        where_a_face_is(looked.box_delta, truth.box_delta),
        where_a_face_is(looked.velocity, truth.velocity),
    )


def _cross_entropy(probability: Tensor, wanted: Tensor) -> Tensor:
    return functional.binary_cross_entropy(probability.clamp(_EPSILON, 1.0 - _EPSILON), wanted)


class TrackModule(L.LightningModule):
    """Trains a track cell."""

    def __init__(self, cell: TrackCell, config: PhantomTrainConfig, validation: TrackSequences) -> None:
        super().__init__()
        self.cell = cell
        self.config = config
        self._validation = validation

    def training_step(self, batch: TrackSequences, batch_index: int) -> Tensor:
        """Loss of one batch."""
        loss = track_loss(roll_out(self.cell, batch), batch)
        self.log("loss/track", loss.total.detach(), on_step=False, on_epoch=True, prog_bar=True, batch_size=1)
        return loss.total

    def validation_step(self, batch: Tensor, batch_index: int) -> None:
        """The loss on films that were not trained on, part by part."""
        loss = track_loss(roll_out(self.cell, self._validation), self._validation)
        self.log_dict({f"validation/{name}": value for name, value in loss._asdict().items()}, batch_size=1)
        self.log(TRACK_METRIC, loss.total, prog_bar=True, batch_size=1)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW; the schedule moves once an epoch."""
        config = self.config
        optimizer = torch.optim.AdamW(self.cell.parameters(), lr=config.track_learning_rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda epoch: learning_rate_factor(epoch, config.track_epochs, 1)
        )
        return {"optimizer": optimizer, "lr_scheduler": schedule}
