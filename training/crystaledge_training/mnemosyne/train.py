"""One training run of Mnemosyne: data in, a run folder with the best checkpoint out; resumes exactly."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader, TensorDataset

from crystaledge.jsonio import dumps
from crystaledge.sources.identities import Catalogue, split_by_identity
from crystaledge_training.data.frames import FrameStore, load_frames, require_pairs
from crystaledge_training.data.sequences import EpochOfFrames, EpochOfSequences, SequenceBatch
from crystaledge_training.lightning_checkpoint import SafetensorsCheckpointIO
from crystaledge_training.mnemosyne.decision import require_calibration
from crystaledge_training.mnemosyne.finish import Origin, finish
from crystaledge_training.mnemosyne.make_network import make_network
from crystaledge_training.mnemosyne.module import VALIDATION_METRIC, MnemosyneModule, TrainConfig
from crystaledge_training.mnemosyne.run import BEST, RunRequest, TrainResult
from crystaledge_training.run_folder import RunFolder, claim_folder, people_sha256
from crystaledge_training.trainer import LAST, BestEpoch, epochs_done, trainer_in


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest(RunRequest):
    """A run of the published network."""

    config: TrainConfig = TrainConfig()


class SequenceData(L.LightningDataModule):
    """Gives Lightning the batches of the epoch it is in."""

    def __init__(self, store: FrameStore, config: TrainConfig) -> None:
        super().__init__()
        self._store = store
        self._config = config

    def train_dataloader(self) -> DataLoader[SequenceBatch]:
        """Batches of the current epoch."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        kind = EpochOfFrames if epoch < self._config.encoder_epochs else EpochOfSequences
        dataset = kind(self._store, self._config.sequences, seed=self._config.seed, epoch=epoch)
        return DataLoader(dataset, batch_size=None)

    def val_dataloader(self) -> DataLoader[tuple[torch.Tensor, ...]]:
        """One empty batch: validation reads the module's own frames."""
        return DataLoader(TensorDataset(torch.zeros(1)))


class EpochLines(Callback):
    """Says a line after each epoch, where there is no terminal for a progress bar."""

    def __init__(self, say: Callable[[str], None], epochs: int) -> None:
        self._say = say
        self._epochs = epochs

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Say the epoch and its validation AUC."""
        value = float(trainer.callback_metrics[VALIDATION_METRIC])
        self._say(f"epoch {trainer.current_epoch + 1} of {self._epochs}: validation AUC {value:.4f}")


class BestWeights(BestEpoch):
    """Keeps the network of the best validation epoch."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, worst=-1.0)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the weights when they are the best so far."""
        value = float(trainer.callback_metrics[VALIDATION_METRIC])
        if not isinstance(pl_module, MnemosyneModule) or pl_module.trains_encoder or not value > self.best:
            return  # while the encoder trains alone, the rest of the network is as it was drawn
        self.keep(trainer.current_epoch, value, {"network": pl_module.network})


def train(request: TrainRequest) -> TrainResult:
    """Train, or go on training, and write `out/best.safetensors`.

    A run stopped after any epoch and taken up again ends with the same weights as one that was
    never stopped: batches and augmentation are functions of (seed, epoch), and the resume file
    holds weights, optimiser and schedule.

    Raises:
        DataError: too few people or images, or `out` holds a run with another configuration.
    """
    config = request.config
    training, validation = split_by_identity(request.people, held_out=config.held_out, seed=config.seed)
    training = training.with_at_least(2)  # a single image has no positive; validation keeps them, as impostors
    folder = _claim(request)
    store = load_frames(training, config.preprocessing, whole=True, limit_per_person=config.images_per_person)
    validation_store = load_frames(validation, config.preprocessing, limit_per_person=config.images_per_person)
    require_pairs(store, "training")
    require_pairs(validation_store, "validation")
    require_calibration(validation_store, seed=config.seed)
    folder.take()
    torch.manual_seed(config.seed)
    module = MnemosyneModule(config, people=len(store.names), validation=validation_store)
    best = BestWeights(request.out / "best.weights")
    trainer = _trainer(request, best)
    resume = request.out / LAST
    done = epochs_done(resume)
    if done < (trainer.max_epochs or 0):
        trainer.fit(module, SequenceData(store, config), ckpt_path=resume if resume.exists() else None)
        done = trainer.current_epoch
    elif resume.exists():
        best.resume(resume)
    return _finish(request, training, validation_store, best, done)


def _trainer(request: TrainRequest, best: BestWeights) -> L.Trainer:
    config = request.config
    lines = [] if request.progress else [EpochLines(request.say, config.epochs)]
    epochs = min(config.epochs, request.stop_after or config.epochs)
    return trainer_in(
        request.out, [best, *lines], epochs=epochs, progress=request.progress, gradient_clip=config.gradient_clip
    )


def _claim(request: TrainRequest) -> RunFolder:
    """Configuration and people make a run."""
    facts = {"config": json.loads(dumps(request.config)), "data_sha256": people_sha256(request.people)}
    return claim_folder(request.out, facts, force=request.force, inputs=[request.people.root])


def _finish(
    request: TrainRequest,
    training: Catalogue,
    validation: FrameStore,
    best: BestWeights,
    epochs_done: int,
) -> TrainResult:
    config = request.config
    if not best.path.exists():
        return TrainResult(request.out / BEST, best.epoch, epochs_done, best.best, best.seconds)
    network = make_network(config.network)
    network.load_state_dict(SafetensorsCheckpointIO().load_checkpoint(best.path)["network"])
    store = load_frames(training, config.preprocessing, limit_per_person=config.images_per_person)
    best.state_dict()
    origin = Origin(
        data=request.data_description,
        licence=request.data_licence,
        outside_data="none",
        people_trained=len(training.identities),
        seed=config.seed,
        epochs=epochs_done,
        best_epoch=best.epoch,
        training_seconds=best.seconds,
        validation=((VALIDATION_METRIC, best.best),),
    )
    path = request.out / BEST
    finish(path, network, store, validation, config.preprocessing, origin)
    return TrainResult(path, best.epoch, epochs_done, best.best, best.seconds)
