"""The Lightning module of a student: one batch, one look at the watched images, optimiser and schedule."""

from __future__ import annotations

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from crystaledge_training.schedule import learning_rate_factor
from crystaledge_training.student_teacher.changes import MildChanges
from crystaledge_training.student_teacher.images import NetworkInputs
from crystaledge_training.student_teacher.network import StudentTeacher
from crystaledge_training.student_teacher.train_config import StudentTeacherTrainConfig

VALIDATION_METRIC = "validation/distance"


class StudentTeacherModule(L.LightningModule):
    """Trains the student; the teacher is only looked at."""

    def __init__(self, config: StudentTeacherTrainConfig) -> None:
        super().__init__()
        self.config = config
        self.network = StudentTeacher(config.network, pretrained=True)
        self._changes = MildChanges(config.changes)
        self._inputs = NetworkInputs(config.preprocessing)

    def training_step(self, batch: Tensor, batch_index: int) -> Tensor:
        """Loss of uint8 images `(B, 3, h, w)`; its random numbers are a function of (seed, epoch, batch).

        The loss is the sum over levels of the mean distance (STFPM, eq. 3 and 4).
        """
        torch.manual_seed(((self.config.seed * 1_000_003 + self.current_epoch) * 1_000_003 + batch_index) % 2**63)
        changed = self._changes(batch.float() / 255.0)
        loss = torch.stack([level.mean() for level in self.network.distances(self._inputs(changed))]).sum()
        self.log("loss", loss.detach(), on_step=False, on_epoch=True, prog_bar=True, batch_size=len(batch))
        return loss

    def validation_step(self, batch: Tensor, batch_index: int) -> None:
        """The same of watched images, unchanged."""
        levels = self.network.distances(self._inputs(batch.float() / 255.0))
        distance = torch.stack([level.mean() for level in levels]).sum()
        self.log(VALIDATION_METRIC, distance, prog_bar=True, batch_size=len(batch))

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW of the student alone; the schedule moves once an epoch."""
        config = self.config
        optimizer = torch.optim.AdamW(
            self.network.student.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda epoch: learning_rate_factor(epoch, config.epochs, config.warmup_epochs)
        )
        return {"optimizer": optimizer, "lr_scheduler": schedule}
