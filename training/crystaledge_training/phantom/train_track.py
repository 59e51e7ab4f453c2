"""Training of Phantom's track cell on rendered films, through a detector that is done."""

from __future__ import annotations

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader, TensorDataset

from crystaledge.errors import DataError
from crystaledge_training.lightning_checkpoint import SafetensorsCheckpointIO
from crystaledge_training.phantom.motion_clips import MotionClips
from crystaledge_training.phantom.network import Phantom
from crystaledge_training.phantom.track_data import Tracks, TrackSequences, track_sequences
from crystaledge_training.phantom.track_module import TRACK_METRIC, TrackModule
from crystaledge_training.phantom.train_config import PhantomTrainConfig
from crystaledge_training.phantom.train_detector import PhantomTrainRequest
from crystaledge_training.trainer import LAST, BestEpoch, epochs_done, trainer_in

TRACK = "track"
"""Folder of a run that holds the track cell's own resume file and logs."""
_VALIDATION_SEED = 1


class TrackData(L.LightningDataModule):
    """Gives Lightning the batches of the epoch it is in."""

    def __init__(self, sequences: TrackSequences, config: PhantomTrainConfig) -> None:
        super().__init__()
        self._sequences, self._config = sequences, config

    def train_dataloader(self) -> DataLoader[TrackSequences]:
        """Batches of the current epoch."""
        config = self._config
        epoch = self.trainer.current_epoch if self.trainer else 0
        tracks = Tracks(self._sequences, batch=config.track_batch, seed=config.seed, epoch=epoch)
        return DataLoader(tracks, batch_size=None)

    def val_dataloader(self) -> DataLoader[tuple[torch.Tensor, ...]]:
        """One empty batch: validation reads the module's own films."""
        return DataLoader(TensorDataset(torch.zeros(1)))


class BestCell(BestEpoch):
    """Keeps the track cell of the best validation epoch; losses are negated, so that more is better."""

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the weights when they are the best so far."""
        value = -float(trainer.callback_metrics[TRACK_METRIC])
        if isinstance(pl_module, TrackModule) and value > self.best:
            self.keep(trainer.current_epoch, value, {"track": pl_module.cell})


def train_track(network: Phantom, request: PhantomTrainRequest) -> float:
    """Train `network.track` through `network.detector`, which stays as it is; returns the seconds it took.

    Raises:
        DataError: there are no faces and backgrounds to render films from.
    """
    config, data = request.config, request.data
    if not (data.faces and data.backgrounds):
        msg = "The track cell is taught on rendered films; give face crops (--faces) and backgrounds (--backgrounds)."
        raise DataError(msg)
    out = request.out / TRACK
    torch.manual_seed(config.seed)
    best = BestCell(out / "track.weights", worst=-float("inf"))
    callbacks: list[Callback] = [best]
    trainer = trainer_in(
        out, callbacks, epochs=config.track_epochs, progress=request.progress, gradient_clip=config.gradient_clip
    )
    resume = out / LAST
    if epochs_done(resume) < config.track_epochs:
        clips = MotionClips(data.faces, data.backgrounds, size_px=config.pictures.size_px)
        request.say(f"rendering {config.track_films} films for the track cell")
        validation = _films(network, clips, config, count=max(config.track_films // 10, 1), seed=_VALIDATION_SEED)
        films = _films(network, clips, config, count=config.track_films, seed=config.seed + 1 + _VALIDATION_SEED)
        module = TrackModule(network.track, config, validation)
        module.cell.train()  # Lightning keeps the mode that it finds, and the detector's side was in use till now
        trainer.fit(module, TrackData(films, config), ckpt_path=resume if resume.exists() else None)
        parts = {k: round(float(v), 4) for k, v in trainer.callback_metrics.items() if k.startswith("validation/")}
        request.say(f"track cell: {parts}")
    else:
        best.resume(resume)
    network.track.load_state_dict(SafetensorsCheckpointIO().load_checkpoint(best.path)["track"])
    network.eval()
    return best.seconds


def _films(
    network: Phantom, clips: MotionClips, config: PhantomTrainConfig, *, count: int, seed: int
) -> TrackSequences:
    return track_sequences(
        network.detector, clips, config.preprocessing, count=count, octaves=config.octaves, seed=seed
    )
