"""The student's epochs: batches of normal images, until the watched ones are imitated no better; resumes exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from crystaledge_training.student_teacher.images import ResizedImages, batches_in_order, batches_of_epoch
from crystaledge_training.student_teacher.module import VALIDATION_METRIC, StudentTeacherModule
from crystaledge_training.student_teacher.scale import fit_units
from crystaledge_training.student_teacher.train_config import StudentTeacherTrainConfig
from crystaledge_training.trainer import LAST, BestEpoch, epochs_done, trainer_in

STUDENT = "student.weights"


class NormalImages(L.LightningDataModule):
    """Gives Lightning the batches of the epoch it is in, and the watched images in their order."""

    def __init__(self, training: ResizedImages, watched: ResizedImages, config: StudentTeacherTrainConfig) -> None:
        super().__init__()
        self._training, self._watched, self._config = training, watched, config

    def train_dataloader(self) -> DataLoader[Tensor]:
        """Batches of the current epoch."""
        config = self._config
        epoch = self.trainer.current_epoch if self.trainer else 0
        size, seed = config.batch_size, config.seed
        return DataLoader(batches_of_epoch(self._training, batch_size=size, seed=seed, epoch=epoch), batch_size=None)

    def val_dataloader(self) -> DataLoader[Tensor]:
        """The watched images."""
        return DataLoader(batches_in_order(self._watched, batch_size=self._config.batch_size), batch_size=None)


class BestStudent(BestEpoch):
    """Keeps the network that imitates the watched images best, and stops when no better one has come for long."""

    def __init__(self, path: Path, *, patience: int, say: Callable[[str], None]) -> None:
        super().__init__(path, worst=math.inf)
        self._patience, self._say = patience, say

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the network when it is the best so far; else see whether it is time to stop."""
        value = float(trainer.callback_metrics[VALIDATION_METRIC])
        self._say(f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}: watched distance {value:.4f}")
        if isinstance(pl_module, StudentTeacherModule) and value < self.best:
            self.keep(trainer.current_epoch, value, {"network": pl_module.network})
        elif self.has_waited(trainer.current_epoch + 1):
            trainer.should_stop = True

    def has_waited(self, epochs: int) -> bool:
        """Whether so many epochs are done that no more are worth while."""
        return epochs - 1 - self.epoch >= self._patience


def train_student(
    config: StudentTeacherTrainConfig,
    training: ResizedImages,
    watched: ResizedImages,
    out: Path,
    *,
    epochs: int,
    progress: bool,
    say: Callable[[str], None],
) -> BestStudent:
    """Train the student, or go on training, and keep `out/student.weights`.

    Args:
        epochs: to have done at the end, unless it stops before; the schedule is still that of `config.epochs`.
    """
    torch.manual_seed(config.seed)
    module = StudentTeacherModule(config)
    module.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    best = BestStudent(out / STUDENT, patience=config.patience, say=say)
    resume = out / LAST
    done = epochs_done(resume)
    if done:
        best.resume(resume)
    if done < epochs and not (done and best.has_waited(done)):
        if not done:
            fit_units(module.network, training, config.preprocessing, batch_size=config.batch_size)
        trainer = trainer_in(out, [best], epochs=epochs, progress=progress, gradient_clip=config.gradient_clip)
        trainer.fit(module, NormalImages(training, watched, config), ckpt_path=resume if done else None)
    return best
