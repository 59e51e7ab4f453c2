"""The Lightning module of a distillation: one batch, one validation, the optimiser and its schedule."""

from __future__ import annotations

import math
from dataclasses import fields

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional

from crystaledge_training.data.frames import FrameStore
from crystaledge_training.distillation.average import running_average
from crystaledge_training.distillation.batches import Draw
from crystaledge_training.distillation.classroom import Classroom
from crystaledge_training.distillation.config import DistilConfig
from crystaledge_training.distillation.losses import Answers, DistilLoss
from crystaledge_training.distillation.validation import embedding_of, verify

VALIDATION_METRIC = "validation/accuracy"
_LEAST_RATE = 0.005


def learning_rate_at(step: int, config: DistilConfig) -> float:
    """Factor of the peak: linear warm-up times a half cosine down to 0.5 %."""
    progress = min((step + 1) / config.steps, 1.0)
    cosine = 0.5 * (1.0 + math.cos(math.pi * progress))
    return min(1.0, progress / config.warmup_share) * (_LEAST_RATE + (1.0 - _LEAST_RATE) * cosine)


class DistillationModule(L.LightningModule):
    """Trains an encoder; what is validated and kept is its running average, `self.average.module`."""

    def __init__(
        self, config: DistilConfig, encoder: nn.Module, classroom: Classroom, *, people: int, validation: FrameStore
    ) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = running_average(self.encoder, config.average_decay)
        self.loss = DistilLoss(people=people, dimensions=config.dimensions, weights=config.losses)
        self.classroom = classroom
        self._validation = validation

    def training_step(self, batch: Draw, batch_index: int) -> Tensor:
        """Loss of one batch; its random numbers are a function of (seed, epoch, batch), so resuming is exact."""
        torch.manual_seed(((self.config.seed * 1_000_003 + self.current_epoch) * 1_000_003 + batch_index) % 2**63)
        sight = self.classroom(batch)
        faces = sight.faces.contiguous(memory_format=torch.channels_last)
        with torch.autocast(faces.device.type, torch.bfloat16, enabled=faces.device.type == "cuda"):
            embedding, quality = embedding_of(self.encoder(faces))
        unit = functional.normalize(embedding.float(), dim=1)
        expected = None if quality is None else quality.float()
        terms = self.loss(Answers(unit, expected, sight.target, batch.people, self.config.batch.shares))
        named = {f.name: getattr(terms, f.name).detach() for f in fields(terms)}
        self.log_dict({f"loss/{k}": v for k, v in named.items()}, on_step=False, on_epoch=True, batch_size=1)
        self.log("loss", terms.total.detach(), prog_bar=True, logger=False, batch_size=1)
        total: Tensor = terms.total
        return total

    def on_train_batch_end(self, outputs: object, batch: Draw, batch_index: int) -> None:
        """The encoder has made a step; its average follows."""
        self.average.update_parameters(self.encoder)

    def validation_step(self, batch: Tensor, batch_index: int) -> None:
        """Verification of people who are not trained on."""
        config = self.config
        found = verify(self.average.module, self._validation, config.preprocessing, seed=config.seed)
        self.log(VALIDATION_METRIC, found.accuracy, prog_bar=True, batch_size=1)
        self.log("validation/auc", found.auc, batch_size=1)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW; matrices and filters decay, class weights move faster, the schedule moves every step."""
        config = self.config
        numbers = list(self.encoder.parameters())
        groups = [
            {"params": [p for p in numbers if p.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [p for p in numbers if p.ndim <= 1], "weight_decay": 0.0},
            {"params": list(self.loss.parameters()), "weight_decay": 0.0, "lr": config.class_learning_rate},
        ]
        optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_at(step, config))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
