"""The Lightning module: one batch, one validation, the optimiser and its schedule."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from crystaledge.metrics.verification import auc, roc_curve
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.data.augment import AugmentConfig, CameraAugmentation, Normalise, SevereDegradation
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.data.sequences import SequenceBatch, SequenceConfig
from crystaledge_training.evaluation.templates import all_pairs, draw_templates
from crystaledge_training.mnemosyne.config import DEFAULT_PREPROCESSING, MnemosyneConfig
from crystaledge_training.mnemosyne.embed import Encoded, crystallize, encode_frames
from crystaledge_training.mnemosyne.losses import CrystallizationLoss, LossConfig
from crystaledge_training.mnemosyne.network import Mnemosyne
from crystaledge_training.mnemosyne.rollout import roll_out
from crystaledge_training.schedule import learning_rate_factor

VALIDATION_METRIC = "validation/auc"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Everything that decides a training run; equal configuration and data give equal weights."""

    network: MnemosyneConfig = MnemosyneConfig()
    preprocessing: Preprocessing = DEFAULT_PREPROCESSING
    sequences: SequenceConfig = SequenceConfig()
    augment: AugmentConfig = AugmentConfig()
    loss: LossConfig = field(default_factory=LossConfig)
    epochs: int = 140
    """All epochs, those of the encoder included."""
    encoder_share: float = 0.64
    """Share of the epochs, the first ones, that train the encoder alone on single frames.

    A batch of sequences shows few people; the encoder learns from many.
    """
    warmup_epochs: int = 3
    learning_rate: float = 4e-3
    head_learning_rate: float = 1e-1
    """For the class heads that exist only while training; their weights start at length 8, not 1."""
    weight_decay: float = 1e-4
    gradient_clip: float = 1.0
    held_out: float = 0.1
    """Share of the training people kept for validation and for choosing thresholds."""
    images_per_person: int = 60
    seed: int = 42

    @property
    def encoder_epochs(self) -> int:
        """Epochs that train the encoder alone."""
        return min(round(self.epochs * self.encoder_share), self.epochs - 1)


def two_part_schedule(epoch: int, config: TrainConfig) -> float:
    """One warm-up and cosine for the encoder's epochs, another of half the height for the sequences."""
    if epoch < config.encoder_epochs:
        return learning_rate_factor(epoch, config.encoder_epochs, config.warmup_epochs)
    rest = config.epochs - config.encoder_epochs
    return 0.5 * learning_rate_factor(epoch - config.encoder_epochs, rest, config.warmup_epochs)


class MnemosyneModule(L.LightningModule):
    """Trains a Mnemosyne; the network without its training heads is `self.network`."""

    def __init__(self, config: TrainConfig, *, people: int, validation: FrameStore) -> None:
        super().__init__()
        self.config = config
        self.network = Mnemosyne(config.network)
        self.loss = CrystallizationLoss(
            people=people, hidden=config.network.hidden, encoding=config.network.encoding, config=config.loss
        )
        self._augment = CameraAugmentation(
            config.preprocessing.size_hw, config.augment, center_share=config.preprocessing.center_share
        )
        self._degrade = SevereDegradation(config.augment.severe_probability)
        self._normalise = Normalise(config.preprocessing.mean, config.preprocessing.std)
        self._validation = validation
        # Depthwise convolutions run about twice as fast on a CPU with channels last.
        self.network.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def trains_encoder(self) -> bool:
        """Whether this epoch is one of the encoder's own."""
        return self.current_epoch < self.config.encoder_epochs

    def training_step(self, batch: SequenceBatch, batch_index: int) -> Tensor:
        """Loss of one batch; its random numbers are a function of (seed, epoch, batch), so resuming is exact."""
        torch.manual_seed(((self.config.seed * 1_000_003 + self.current_epoch) * 1_000_003 + batch_index) % 2**63)
        frames = self._augment(batch.frames)
        if not self.trains_encoder:
            frames = self._degrade(frames)
        faces = self._normalise(frames * (255.0 * self.config.preprocessing.scale))
        faces = faces.contiguous(memory_format=torch.channels_last)
        if self.trains_encoder:
            encoder_loss = self.loss.frame_loss(self.network.encode(faces)[0], batch.people)
            self.log("loss/encoder", encoder_loss.detach(), on_step=False, on_epoch=True, batch_size=1)
            return encoder_loss
        trajectory = roll_out(self.network, faces, batch.valid)
        terms = self.loss(trajectory, batch.people, batch.people)
        named = {f.name: getattr(terms, f.name).detach() for f in dataclasses.fields(terms)}
        self.log_dict({f"loss/{k}": v for k, v in named.items()}, on_step=False, on_epoch=True, batch_size=1)
        self.log("loss", terms.total.detach(), prog_bar=True, logger=False, batch_size=1)
        settled = trajectory.velocity[-1].detach().mean()
        self.log("velocity/last_step", settled, prog_bar=True, on_step=False, on_epoch=True, batch_size=1)
        total: Tensor = terms.total
        return total

    def validation_step(self, batch: Tensor, batch_index: int) -> None:
        """AUC on unseen people for 1 and 3 observations, cosine of the identities, and their mean."""
        encoded = encode_frames(self.network, self._validation.pixels, self.config.preprocessing)
        values = [self._auc(encoded, observations) for observations in (1, 3)]
        self.log("validation/auc_1", values[0], batch_size=1)
        self.log("validation/auc_3", values[1], batch_size=1)
        self.log(VALIDATION_METRIC, sum(values) / len(values), prog_bar=True, batch_size=1)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW; the schedule moves once an epoch."""
        config = self.config
        groups = [
            {"params": list(self.network.parameters()), "lr": config.learning_rate},
            {"params": list(self.loss.parameters()), "lr": config.head_learning_rate},
        ]
        optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: two_part_schedule(epoch, config))
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def _auc(self, encoded: Encoded, observations: int) -> float:
        templates = draw_templates(self._validation, observations, seed=self.config.seed)
        pairs = all_pairs(templates)
        if not pairs.same.any() or pairs.same.all():
            return 0.5
        final = crystallize(self.network, encoded, templates.rows).hidden[-1]
        identity = torch.nn.functional.normalize(final, dim=1).double().numpy()
        cosine = (identity[pairs.first] * identity[pairs.second]).sum(axis=1)
        return auc(roc_curve(cosine, pairs.same))
