"""What Lightning is given for a quantization-aware training: batches by epoch, and the best student."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lightning as L
import torch
from torch.utils.data import DataLoader, TensorDataset

from crystaledge_training.data.frames import FrameStore
from crystaledge_training.mnemosyne.qat_config import QatConfig
from crystaledge_training.mnemosyne.qat_module import VALIDATION_METRIC, QatModule
from crystaledge_training.mnemosyne.qat_tracks import EpochOfTracks, TrackBatch
from crystaledge_training.trainer import BestEpoch


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


class BestStudent(BestEpoch):
    """Keeps the averaged student of the best validation epoch, and says a line an epoch."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        super().__init__(path, worst=float("inf"))
        self._say = say

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Say a line, and write the weights when they are the best so far."""
        seen = trainer.callback_metrics
        mean, low = float(seen["validation/cosine_mean"]), float(seen["validation/cosine_p01"])
        self._say(f"epoch {trainer.current_epoch + 1}: identity cosine {mean:.5f}, 1st percentile {low:.5f}")
        value = float(seen[VALIDATION_METRIC])
        if isinstance(pl_module, QatModule) and value < self.best:
            self.keep(trainer.current_epoch, value, {"student": pl_module.kept})
