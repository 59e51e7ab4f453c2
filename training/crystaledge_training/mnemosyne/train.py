"""One training run of Mnemosyne: data in, a run folder with the best checkpoint out; resumes exactly."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader, TensorDataset

from crystaledge.errors import DataError
from crystaledge.files import refuse_existing, sha256_of, write_atomic
from crystaledge.jsonio import dumps
from crystaledge.sources.identities import Catalogue, split_by_identity
from crystaledge.system import System
from crystaledge_training.checkpoint import SCHEMA_VERSION, CheckpointRecord, TrainingProvenance, write_checkpoint
from crystaledge_training.data.frames import FrameStore, load_frames, require_pairs
from crystaledge_training.data.sequences import EpochOfFrames, EpochOfSequences, SequenceBatch
from crystaledge_training.lightning_checkpoint import SafetensorsCheckpointIO
from crystaledge_training.mnemosyne.decision import calibrate_decision, require_calibration
from crystaledge_training.mnemosyne.module import VALIDATION_METRIC, MnemosyneModule, TrainConfig
from crystaledge_training.mnemosyne.network import Mnemosyne
from crystaledge_training.mnemosyne.uncertainty import fit_log_variance

BEST = "best.safetensors"
LAST = "last.resume"
RUN = "run.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """What to train on and where to put it."""

    people: Catalogue
    data_description: str
    data_licence: str
    out: Path
    config: TrainConfig = TrainConfig()
    stop_after: int | None = None
    """Stop when so many epochs are done; the schedule is still that of `config.epochs`."""
    progress: bool = True
    """Show a progress bar; else a line an epoch goes to `say`."""
    say: Callable[[str], None] = lambda line: None
    force: bool = False
    """Remove whatever is at `out` and start again."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a run left behind."""

    checkpoint: Path
    best_epoch: int
    """-1 while only the encoder has been trained; there is no checkpoint then."""
    epochs_done: int
    validation_auc: float
    training_seconds: float


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


class BestWeights(Callback):
    """Keeps the network of the best validation epoch, and the seconds spent so far, across resumes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.best = -1.0
        self.epoch = -1
        self.seconds = 0.0
        self._started = time.monotonic()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the weights when they are the best so far."""
        value = float(trainer.callback_metrics[VALIDATION_METRIC])
        if not isinstance(pl_module, MnemosyneModule) or pl_module.trains_encoder or not value > self.best:
            return  # while the encoder trains alone, the rest of the network is as it was drawn
        self.best, self.epoch = value, trainer.current_epoch
        torch_weights = {k: v.detach().clone() for k, v in pl_module.network.state_dict().items()}
        SafetensorsCheckpointIO().save_checkpoint({"network": torch_weights}, self.path)

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
    claim = _claim(request)
    store = load_frames(training, config.preprocessing, whole=True, limit_per_person=config.images_per_person)
    validation_store = load_frames(validation, config.preprocessing, limit_per_person=config.images_per_person)
    require_pairs(store, "training")
    require_pairs(validation_store, "validation")
    require_calibration(validation_store, seed=config.seed)
    _take_run_folder(request, claim)
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
        best.load_state_dict(SafetensorsCheckpointIO().load_checkpoint(resume)["callbacks"]["BestWeights"])
    return _finish(request, training, validation_store, best, done)


def epochs_done(resume: Path) -> int:
    """Epochs that a resume file has behind it; 0 where there is none."""
    if not resume.exists():
        return 0
    loops = SafetensorsCheckpointIO().load_checkpoint(resume)["loops"]
    return int(loops["fit_loop"]["epoch_progress"]["current"]["processed"])


def _trainer(request: TrainRequest, best: BestWeights) -> L.Trainer:
    every_epoch = ModelCheckpoint(
        dirpath=request.out, filename="last", save_top_k=1, enable_version_counter=False, every_n_epochs=1
    )
    every_epoch.FILE_EXTENSION = ".resume"
    callbacks: list[Callback] = [best, every_epoch, LearningRateMonitor("epoch")]
    if request.progress:
        callbacks.append(TQDMProgressBar(refresh_rate=5, leave=False))
    else:
        callbacks.append(EpochLines(request.say, request.config.epochs))
    return L.Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=min(request.config.epochs, request.stop_after or request.config.epochs),
        gradient_clip_val=request.config.gradient_clip,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=TensorBoardLogger(request.out, name="tensorboard", version=""),
        callbacks=callbacks,
        plugins=[SafetensorsCheckpointIO()],
        enable_progress_bar=request.progress,
        enable_model_summary=False,
        log_every_n_steps=1,
    )


def _claim(request: TrainRequest) -> str:
    """What makes two runs the same run: configuration and people; another run's folder is refused."""
    described = dumps(request.config)
    names = json.dumps([(i.name, len(i.paths)) for i in request.people.identities])
    claim = json.dumps({"config": json.loads(described), "data_sha256": sha256_of(names.encode())}, indent=2) + "\n"
    file = request.out / RUN
    if not request.force and file.exists() and file.read_text(encoding="utf-8") != claim:
        msg = f"{request.out} holds a run with another configuration or other data; give another --out, or remove it."
        raise DataError(msg)
    if request.force or not file.exists():
        refuse_existing(request.out, force=request.force, marker=RUN)
    if request.force and request.people.root.resolve().is_relative_to(request.out.resolve()):
        msg = f"The data lies inside {request.out}, which --force would delete; give another --out."
        raise DataError(msg)
    return claim


def _take_run_folder(request: TrainRequest, claim: str) -> None:
    """Only now, when the data is known to be good, is anything written or removed."""
    if request.force and request.out.exists():
        shutil.rmtree(request.out)
    write_atomic(request.out / RUN, claim.encode())


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
    weights = SafetensorsCheckpointIO().load_checkpoint(best.path)["network"]
    network = Mnemosyne(config.network)
    network.load_state_dict(weights)
    store = load_frames(training, config.preprocessing, limit_per_person=config.images_per_person)
    scoring = fit_log_variance(network, store, validation, config.preprocessing, seed=config.seed)
    best.state_dict()
    provenance = TrainingProvenance(
        package_version=version("crystaledge"),
        torch_version=torch.__version__,
        seed=config.seed,
        epochs=epochs_done,
        best_epoch=best.epoch,
        training_seconds=round(best.seconds, 1),
        data=request.data_description,
        outside_data="none",
        people_trained=len(training.identities),
        people_validated=len(validation.names),
        licence=request.data_licence,
    )
    record = CheckpointRecord(
        schema_version=SCHEMA_VERSION,
        system=System.MNEMOSYNE,
        network=config.network,
        preprocessing=config.preprocessing,
        decision=calibrate_decision(network, validation, config.preprocessing, scoring, seed=config.seed + 1),
        provenance=provenance,
        validation=((VALIDATION_METRIC, best.best),),
    )
    path = request.out / BEST
    write_checkpoint(path, record, network.state_dict())
    return TrainResult(path, best.epoch, epochs_done, best.best, best.seconds)
