"""The Lightning module of the detector: one batch, its moving average, one validation, optimiser and schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import lightning as L
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from crystaledge_training.evaluation.detection import Found, detection_metrics
from crystaledge_training.phantom.assign import assign
from crystaledge_training.phantom.detect import detect
from crystaledge_training.phantom.losses import detection_loss, focal_loss
from crystaledge_training.phantom.network import Detector, Phantom
from crystaledge_training.phantom.photometric import Photometric
from crystaledge_training.phantom.pictures import PictureBatch
from crystaledge_training.phantom.train_config import PhantomTrainConfig
from crystaledge_training.schedule import learning_rate_factor

VALIDATION_METRIC = "validation/ap50"
SCORE_FLOOR = 0.02
"""Of detections that an average precision is made from."""
SUPPRESSION_IOU = 0.45
_STAGE3_WEIGHT = 0.2


@dataclass(frozen=True, slots=True)
class ValidationSet:
    """Whole images as the network gets them, with what they show."""

    images: Tensor
    """float32 `(N, 3, h, w)`, normalised."""
    truth: list[tuple[NDArray[np.float32], NDArray[np.bool_]]]
    """Boxes `(M, 4)` in pixels of the images, and which of them are ignored."""


class DetectorModule(L.LightningModule):
    """Trains the detector; what is kept is `averaged`, an exponential moving average of it."""

    def __init__(self, config: PhantomTrainConfig, validation: ValidationSet) -> None:
        super().__init__()
        self.config = config
        self.network = Phantom(config.network).detector
        self.averaged = AveragedModel(self.network, avg_fn=self._average, use_buffers=True)
        # Gives stage 3, which no head of the published network reads, something to learn from.
        self.stage3_head = nn.Conv2d(config.network.stage3, 1, 1) if config.network.stage3 else None
        self._photometric = Photometric(config.photometric, config.preprocessing)
        self._validation = validation

    def _average(self, averaged: Tensor, current: Tensor, steps: Tensor | int) -> Tensor:
        """Exponential moving average whose memory is short at first, so that it soon forgets the first weights."""
        decay = min(self.config.ema_decay, (1.0 + float(steps)) / (10.0 + float(steps)))
        return decay * averaged + (1.0 - decay) * current

    @property
    def best(self) -> Detector:
        """The averaged network."""
        return cast(Detector, self.averaged.module)

    def training_step(self, batch: PictureBatch, batch_index: int) -> Tensor:
        """Loss of one batch; its random numbers are a function of (seed, epoch, batch), so resuming is exact."""
        torch.manual_seed(((self.config.seed * 1_000_003 + self.current_epoch) * 1_000_003 + batch_index) % 2**63)
        with torch.no_grad():
            images = self._photometric(batch.pixels).contiguous(memory_format=torch.channels_last)
        maps = self.network(images)
        targets = assign(batch.box_xyxy, batch.kind, (maps.logit.shape[2], maps.logit.shape[3]))
        loss = detection_loss(maps, targets)
        total = loss.classes + self.config.box_weight * loss.boxes
        self.log_dict(
            {"loss/classes": loss.classes.detach(), "loss/boxes": loss.boxes.detach()},
            on_step=False,
            on_epoch=True,
            prog_bar=True,
            batch_size=1,
        )
        if self.stage3_head is None or self.network.stage3 is None:
            return total
        coarse = self.stage3_head(self.network.stage3(maps.features))
        wanted = functional.max_pool2d(targets.positive.float()[:, None], 2)
        auxiliary = focal_loss(coarse, wanted, alpha=0.5, gamma=2.0).sum() / wanted.sum().clamp(min=1)
        return total + _STAGE3_WEIGHT * auxiliary

    def on_train_batch_end(self, outputs: object, batch: PictureBatch, batch_index: int) -> None:
        """Move the average."""
        self.averaged.update_parameters(self.network)

    def validation_step(self, batch: Tensor, batch_index: int) -> None:
        """AP50 of the averaged network on whole images, with all octaves."""
        found = detect(
            self.best.eval(),
            self._validation.images,
            octaves=self.config.octaves,
            score_threshold=SCORE_FLOOR,
            suppression_iou=SUPPRESSION_IOU,
        )
        metrics = detection_metrics(
            [Found(f.box_xyxy, f.score) for f in found],
            self._validation.truth,
            smallest_px=self.config.smallest_face_px,
            bootstrap=0,
            seed=0,
        )
        self.log(VALIDATION_METRIC, metrics.ap50, prog_bar=True, batch_size=1)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW; the schedule moves once an epoch."""
        config = self.config
        trained = [p for name, p in self.named_parameters() if not name.startswith("averaged.")]
        optimizer = torch.optim.AdamW(trained, lr=config.learning_rate, weight_decay=config.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda epoch: learning_rate_factor(epoch, config.epochs, config.warmup_epochs)
        )
        return {"optimizer": optimizer, "lr_scheduler": schedule}
