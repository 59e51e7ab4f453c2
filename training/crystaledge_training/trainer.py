"""What every training gives Lightning: an exact resume file, logs in the run folder, the best epoch's network."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn

from crystaledge_training.lightning_checkpoint import SafetensorsCheckpointIO

LAST = "last.resume"
"""The resume file of a run folder."""


class BestEpoch(Callback):
    """Keeps the network of the best validation epoch, and the seconds spent so far, across resumes.

    Args:
        path: where the network goes.
        worst: a value that every epoch is better than.
    """

    def __init__(self, path: Path, *, worst: float) -> None:
        self.path = path
        self.best = worst
        self.epoch = -1
        self.seconds = 0.0
        self._started = time.monotonic()

    def keep(self, epoch: int, value: float, networks: Mapping[str, nn.Module]) -> None:
        """Write what was the best epoch's, each network under its name."""
        self.best, self.epoch = value, epoch
        weights = {
            name: {key: tensor.detach().clone() for key, tensor in network.state_dict().items()}
            for name, network in networks.items()
        }
        SafetensorsCheckpointIO().save_checkpoint(weights, self.path)

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

    def resume(self, file: Path) -> None:
        """Take up where a resume file left off, without a training."""
        self.load_state_dict(SafetensorsCheckpointIO().load_checkpoint(file)["callbacks"][type(self).__name__])


def trainer_in(
    out: Path, callbacks: Sequence[Callback], *, epochs: int, progress: bool, gradient_clip: float | None = None
) -> L.Trainer:
    """A Lightning trainer that leaves its resume file and its logs in `out`, and draws each epoch's data anew."""
    every_epoch = ModelCheckpoint(
        dirpath=out, filename=Path(LAST).stem, save_top_k=1, enable_version_counter=False, every_n_epochs=1
    )
    every_epoch.FILE_EXTENSION = Path(LAST).suffix
    bar = [TQDMProgressBar(refresh_rate=5, leave=False)] if progress else []
    return L.Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=epochs,
        gradient_clip_val=gradient_clip,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=TensorBoardLogger(out, name="tensorboard", version=""),
        callbacks=[*callbacks, every_epoch, LearningRateMonitor("epoch"), *bar],
        plugins=[SafetensorsCheckpointIO()],
        enable_progress_bar=progress,
        enable_model_summary=False,
        log_every_n_steps=1,
    )


def epochs_done(resume: Path) -> int:
    """Epochs that a resume file has behind it; 0 where there is none."""
    if not resume.exists():
        return 0
    loops = SafetensorsCheckpointIO().load_checkpoint(resume)["loops"]
    return int(loops["fit_loop"]["epoch_progress"]["current"]["processed"])
