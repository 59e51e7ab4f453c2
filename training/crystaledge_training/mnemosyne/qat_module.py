"""Closed-loop distillation: the student lives on its own rounded past and is held to the teacher at every step."""

from __future__ import annotations

import math
from typing import cast

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from crystaledge.preprocessing.preprocessor import normalisation_table
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.mnemosyne.embed import Encoded, crystallize, encode_frames
from crystaledge_training.mnemosyne.network import Mnemosyne
from crystaledge_training.mnemosyne.qat_config import QatConfig
from crystaledge_training.mnemosyne.qat_loss import Loss, distance, distance_to_goal
from crystaledge_training.mnemosyne.qat_student import agreement, make_student, repeated_rows
from crystaledge_training.mnemosyne.qat_tracks import TrackBatch
from crystaledge_training.mnemosyne.step import Step
from crystaledge_training.quantization.artifact import ClosedLoopValidation
from crystaledge_training.quantization.fake_quant import float_parameters

VALIDATION_METRIC = "validation/distance_to_goal"


class QatModule(L.LightningModule):
    """Trains a student; `self.average.module` is what is kept."""

    def __init__(
        self,
        config: QatConfig,
        teacher: Mnemosyne,
        spec: Preprocessing,
        *,
        training: FrameStore,
        validation: FrameStore,
    ) -> None:
        super().__init__()
        self.config = config
        self.spec = spec
        self._stores = (training, validation)
        self._rows = repeated_rows(validation, config.validation_steps, seed=config.seed)
        self._teacher = (teacher.eval().requires_grad_(False),)  # in a tuple: no part of what is trained or kept
        self._known = encode_frames(teacher, training.pixels, spec)
        self._known_states = crystallize(teacher, encode_frames(teacher, validation.pixels, spec), self._rows).hidden
        self.student = make_student(
            teacher,
            training,
            spec,
            keep_float=config.keep_float,
            seed=config.seed,
        )
        # Depthwise convolutions run about twice as fast on a CPU with channels last.
        self.student.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        follow = get_ema_multi_avg_fn(config.average_decay)  # type: ignore[no-untyped-call]
        self.average = AveragedModel(self.student, multi_avg_fn=follow)
        self.train()  # nothing in it behaves differently, but Lightning warns about modules in inference mode
        self._stale: Encoded | None = None
        self._table = torch.from_numpy(normalisation_table(spec))

    @property
    def kept(self) -> Mnemosyne:
        """The average of the students so far."""
        return cast(Mnemosyne, self.average.module)

    def on_train_epoch_start(self) -> None:
        """Encode all frames as the student does now: good enough for a whole epoch's warm-ups."""
        with parametrize.cached():
            self._stale = encode_frames(self.student, self._stores[0].pixels, self.spec)

    def training_step(self, batch: TrackBatch, batch_index: int) -> Tensor:
        """Loss of one batch; nothing in it is random, so resuming is exact."""
        known, own = self._warm_states(batch)
        with parametrize.cached():
            loss = self._unrolled(batch, known, own)
        named = {f"loss/{name}": term.detach() for name, term in zip(Loss._fields, loss, strict=True)}
        self.log_dict(named, on_step=False, on_epoch=True, batch_size=1)
        self.log("loss", loss.total.detach(), prog_bar=True, logger=False, batch_size=1)
        return loss.total

    def on_train_batch_end(self, outputs: object, batch: TrackBatch, batch_idx: int) -> None:
        """Follow the student with its average."""
        self.average.update_parameters(self.student)

    @torch.no_grad()
    def _warm_states(self, batch: TrackBatch) -> tuple[Tensor, Tensor]:
        """States of teacher and student where gradients begin, `(B, hidden)` each; zeros without warm-up."""
        assert self._stale is not None
        known = self.student.initial_state(batch.warm_rows.shape[1])
        own = known.clone()
        with parametrize.cached():
            for rows in batch.warm_rows:
                known = self._absorb_known(rows, known).hidden
                own = self.student.absorb(*self._look_up(self._stale, rows), own).hidden
        cold = self.student.initial_state(batch.rows.shape[1] - len(own))
        return torch.cat([known, cold]), torch.cat([own, cold])

    def _unrolled(self, batch: TrackBatch, known: Tensor, own: Tensor) -> Loss:
        encoding, quality = self.student.encode(self._faces(batch.frames))
        steps: list[tuple[Step, Step]] = []
        for rows, place in zip(batch.rows, batch.place, strict=True):
            expected = self._absorb_known(rows, known)
            found = self.student.absorb(encoding[place], quality[place], own)
            known, own = expected.hidden, found.hidden
            steps.append((found, expected))
        found_all, expected_all = (
            Step(*map(torch.stack, zip(*side, strict=True))) for side in zip(*steps, strict=True)
        )
        return distance(found_all, expected_all, self.config)

    def _absorb_known(self, rows: Tensor, state: Tensor) -> Step:
        encoding, quality = self._look_up(self._known, rows)
        return self._teacher[0].to(state.device).absorb(encoding, quality, state)

    def _look_up(self, encoded: Encoded, rows: Tensor) -> tuple[Tensor, Tensor]:
        rows = rows.to(encoded.encoding.device)
        return encoded.encoding[rows].to(self.device), encoded.quality[rows].to(self.device)

    def _faces(self, frames: Tensor) -> Tensor:
        pixels = frames.long()
        faces = torch.stack([self._table.to(frames.device)[c][pixels[..., c]] for c in range(3)], dim=1)
        return faces.contiguous(memory_format=torch.channels_last)

    def validation_step(self, batch: Tensor, batch_index: int) -> None:
        """How far the average is from the goal on people held out; 1 and below has reached it."""
        cosine = self.cosines(self.kept)
        found = summary(cosine)
        self.log_dict(
            {"validation/cosine_mean": found.cosine_mean, "validation/cosine_p01": found.cosine_first_percentile}
        )
        self.log(VALIDATION_METRIC, distance_to_goal(cosine), prog_bar=True, batch_size=1)

    def cosines(self, student: Mnemosyne) -> Tensor:
        """Closed loop against the teacher on the people held out, `(T, S)`."""
        with parametrize.cached():
            encoded = encode_frames(student, self._stores[1].pixels, self.spec)
            states = crystallize(student, encoded, self._rows).hidden
        return agreement(states, self._known_states)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam, a group a tensor; a short warm-up, then a half cosine down to zero, batch by batch."""
        config = self.config
        total = config.epochs * config.batches
        optimizer = torch.optim.Adam(_groups(self.student, config), betas=(0.9, 0.99))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda n: (
                min(1.0, (n + 1) / config.warm_up_batches) * 0.5 * (1.0 + math.cos(math.pi * min(n / total, 1.0)))
            ),
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def summary(cosine: Tensor) -> ClosedLoopValidation:
    """Cosines `(T, S)` of two closed loops in a few numbers."""
    return ClosedLoopValidation(
        sequences=cosine.shape[1],
        steps=cosine.shape[0],
        cosine_mean=float(cosine.mean(dim=1).min()),
        cosine_first_percentile=float(cosine.quantile(0.01, dim=1).min()),
        cosine_least=float(cosine.min()),
    )


def _groups(student: nn.Module, config: QatConfig) -> list[dict[str, object]]:
    """One group a tensor: weights move in units of their own size, biases of twice their weight's."""
    parameters = float_parameters(student)
    reach = {name: float(p.detach().abs().flatten(1).amax(1).median()) for name, p in parameters.items() if p.ndim > 1}
    groups: list[dict[str, object]] = []
    for name, parameter in parameters.items():
        unit = reach[name] if parameter.ndim > 1 else 2.0 * reach[name.replace("bias", "weight")]
        groups.append({"params": [parameter], "lr": config.learning_rate * unit})
    ranges = [p for name, p in student.named_parameters() if name.endswith("log_amax")]
    return [*groups, {"params": ranges, "lr": config.range_learning_rate}]
