"""The epochs of a distillation: batches of row numbers in, the best running average out; resumes exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from crystaledge_training.distillation.batches import Draw, EpochOfDraws, Rows
from crystaledge_training.distillation.config import DistilConfig
from crystaledge_training.distillation.module import VALIDATION_METRIC, DistillationModule
from crystaledge_training.trainer import LAST, BestEpoch, trainer_in

ENCODER = "encoder.weights"
"""The best running average in a run folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Where and how long an encoder is trained, and who is told."""

    out: Path
    epochs: int
    """To have done at the end; the schedule is still that of the configuration."""
    progress: bool
    say: Callable[[str], None]


class DrawData(L.LightningDataModule):
    """Gives Lightning the batches of the epoch it is in."""

    def __init__(self, person: Rows, config: DistilConfig) -> None:
        super().__init__()
        self._person, self._config = person, config

    def train_dataloader(self) -> DataLoader[Draw]:
        """Batches of the current epoch."""
        config = self._config
        epoch = self.trainer.current_epoch if self.trainer else 0
        draws = EpochOfDraws(self._person, config.batch, steps=config.steps_per_epoch, seed=config.seed, epoch=epoch)
        return DataLoader(draws, batch_size=None)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """One empty batch: validation reads the module's own frames."""
        return DataLoader(TensorDataset(torch.zeros(1)))


class BestEncoder(BestEpoch):
    """Keeps the running average of the best validation epoch, and says a line after each."""

    def __init__(self, path: Path, *, epochs: int, say: Callable[[str], None]) -> None:
        super().__init__(path, worst=-1.0)
        self._epochs, self._say = epochs, say

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the weights when they are the best so far."""
        value = float(trainer.callback_metrics[VALIDATION_METRIC])
        self._say(f"epoch {trainer.current_epoch + 1} of {self._epochs}: validation accuracy {value:.4f}")
        if isinstance(pl_module, DistillationModule) and value > self.best:
            self.keep(trainer.current_epoch, value, {"encoder": pl_module.average.module})


def train_encoder(module: DistillationModule, person: Rows, best: BestEncoder, course: Course) -> int:
    """Train, or go on training; gives the epochs done.

    Args:
        person: of each row of the module's crops, rising from 0, one block a person.
    """
    resume = course.out / LAST
    trainer = trainer_in(
        course.out,
        [best],
        epochs=course.epochs,
        progress=course.progress,
        gradient_clip=module.config.gradient_clip,
    )
    trainer.fit(module, DrawData(person, module.config), ckpt_path=resume if resume.exists() else None)
    return int(trainer.current_epoch)
