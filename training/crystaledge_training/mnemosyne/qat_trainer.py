"""What Lightning is given for a quantization-aware training: batches by epoch, the best student, the resume file."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader, TensorDataset

from crystaledge_training.data.frames import FrameStore
from crystaledge_training.lightning_checkpoint import SafetensorsCheckpointIO
from crystaledge_training.mnemosyne.qat_config import QatConfig
from crystaledge_training.mnemosyne.qat_module import VALIDATION_METRIC, QatModule
from crystaledge_training.mnemosyne.qat_tracks import EpochOfTracks, TrackBatch


class TrackData(L.LightningDataModule):
    """Gives Lightning the batches of the epoch it is in."""

    def __init__(self, store: FrameStore, config: QatConfig) -> None:
        super().__init__()
        self._store = store
        self._config = config

    def train_dataloader(self) -> DataLoader[TrackBatch]:
        """Batches of the current epoch."""
        config, epoch = self._config, self.trainer.current_epoch if self.trainer else 0
        dataset = EpochOfTracks(self._store, config.tracks, batches=config.batches, seed=config.seed, epoch=epoch)
        return DataLoader(dataset, batch_size=None)

    def val_dataloader(self) -> DataLoader[tuple[torch.Tensor, ...]]:
        """One empty batch: validation reads the module's own frames."""
        return DataLoader(TensorDataset(torch.zeros(1)))


class BestStudent(Callback):
    """Keeps the averaged student of the best validation epoch, and the seconds spent so far, across resumes."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.path = path
        self.best = float("inf")
        self.epoch = -1
        self.seconds = 0.0
        self._say = say
        self._started = time.monotonic()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Say a line, and write the weights when they are the best so far."""
        seen = trainer.callback_metrics
        mean, low = float(seen["validation/cosine_mean"]), float(seen["validation/cosine_p01"])
        self._say(f"epoch {trainer.current_epoch + 1}: identity cosine {mean:.5f}, 1st percentile {low:.5f}")
        value = float(seen[VALIDATION_METRIC])
        if isinstance(pl_module, QatModule) and value < self.best:
            self.best, self.epoch = value, trainer.current_epoch
            kept = {k: v.detach().clone() for k, v in pl_module.kept.state_dict().items()}
            SafetensorsCheckpointIO().save_checkpoint({"student": kept}, self.path)

    def state_dict(self) -> dict[str, float]:
        """What the resume file keeps."""
        now = time.monotonic()
        self.seconds += now - self._started
        self._started = now
        return {"best": self.best, "epoch": self.epoch, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Take up where the resume file left off."""
        self.best, self.epoch = state_dict["best"], int(state_dict["epoch"])
        self.seconds = state_dict["seconds"]


def trainer_of(out: Path, epochs: int, best: BestStudent, *, progress: bool) -> L.Trainer:
    """A Lightning trainer that leaves its resume file and its logs in `out`."""
    every_epoch = ModelCheckpoint(
        dirpath=out, filename="last", save_top_k=1, enable_version_counter=False, every_n_epochs=1
    )
    every_epoch.FILE_EXTENSION = ".resume"
    callbacks: list[Callback] = [best, every_epoch, LearningRateMonitor("epoch")]
    if progress:
        callbacks.append(TQDMProgressBar(refresh_rate=5, leave=False))
    return L.Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=epochs,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=TensorBoardLogger(out, name="tensorboard", version=""),
        callbacks=callbacks,
        plugins=[SafetensorsCheckpointIO()],
        enable_progress_bar=progress,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
