"""Training of Phantom's detector: pictures in, the best averaged weights out; resumes exactly."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader, TensorDataset

from crystaledge.files import sha256_of
from crystaledge.jsonio import dumps
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge_training.data.annotations import AnnotatedSet
from crystaledge_training.phantom.composite_scenes import CompositeScenes
from crystaledge_training.phantom.detect import network_inputs
from crystaledge_training.phantom.module import VALIDATION_METRIC, DetectorModule, ValidationSet
from crystaledge_training.phantom.pictures import EpochOfPictures, PictureBatch, WeightedSource
from crystaledge_training.phantom.real_scenes import RealScenes
from crystaledge_training.phantom.train_config import PhantomTrainConfig
from crystaledge_training.run_folder import RunFolder, claim_folder
from crystaledge_training.trainer import LAST, BestEpoch, epochs_done, trainer_in

DETECTOR = "detector.weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomData:
    """What Phantom learns from."""

    training: AnnotatedSet
    validation: AnnotatedSet
    faces: tuple[Path, ...] = ()
    """Files of square face crops to paste; none, no composites."""
    backgrounds: tuple[Path, ...] = ()
    """Image files without faces to paste them on."""

    people: int = 0
    """People whose faces are pasted."""

    @property
    def description(self) -> str:
        """One line for records."""
        pasted = (
            f"; {len(self.faces)} crops of faces pasted on {len(self.backgrounds)} backgrounds" if self.faces else ""
        )
        return self.training.description + pasted

    def sha256(self) -> str:
        """Hash of which images there are, and where their faces are."""
        sets = [
            [(i.path.name, i.box_xyxy.tolist(), i.ignored.tolist()) for i in s.images]
            for s in (self.training, self.validation)
        ]
        return sha256_of(json.dumps([sets, [p.name for p in (*self.faces, *self.backgrounds)]]).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomTrainRequest:
    """What to train on and where to put it."""

    data: PhantomData
    data_licence: str
    out: Path
    config: PhantomTrainConfig = PhantomTrainConfig()
    stop_after: int | None = None
    """Stop when so many epochs are done; the schedule is still that of `config.epochs`."""
    workers: int = 0
    """Processes that make pictures beside the training."""
    progress: bool = True
    say: Callable[[str], None] = lambda line: None
    force: bool = False
    """Remove whatever is at `out` and start again."""


class PictureData(L.LightningDataModule):
    """Gives Lightning the batches of the epoch it is in."""

    def __init__(self, sources: Sequence[WeightedSource], config: PhantomTrainConfig, *, workers: int) -> None:
        super().__init__()
        self._sources, self._config, self._workers = sources, config, workers

    def train_dataloader(self) -> DataLoader[PictureBatch]:
        """Batches of the current epoch."""
        config = self._config
        epoch = self.trainer.current_epoch if self.trainer else 0
        pictures = EpochOfPictures(
            self._sources, batches=config.batches, batch_size=config.batch_size, seed=config.seed, epoch=epoch
        )
        return DataLoader(pictures, batch_size=None, num_workers=self._workers)

    def val_dataloader(self) -> DataLoader[tuple[torch.Tensor, ...]]:
        """One empty batch: validation reads the module's own images."""
        return DataLoader(TensorDataset(torch.zeros(1)))


class BestAverage(BestEpoch):
    """Keeps the averaged detector of the best validation epoch."""

    def __init__(self, path: Path, *, say: Callable[[str], None]) -> None:
        super().__init__(path, worst=-1.0)
        self._say = say

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the weights when they are the best so far."""
        value = float(trainer.callback_metrics[VALIDATION_METRIC])
        self._say(f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}: AP50 {value:.4f}")
        if isinstance(pl_module, DetectorModule) and value > self.best:
            self.keep(trainer.current_epoch, value, {"detector": pl_module.best})


def train_detector(request: PhantomTrainRequest) -> BestAverage:
    """Train the detector, or go on training, and keep `out/detector.weights`.

    Raises:
        DataError: an image cannot be read, or `out` holds a run with another configuration or other data.
    """
    config = request.config
    folder = claim(request)
    validation = validation_set(request.data.validation, config)
    sources = picture_sources(request.data, config)
    folder.take()
    torch.manual_seed(config.seed)
    module = DetectorModule(config, validation)
    module.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    best = BestAverage(request.out / DETECTOR, say=request.say)
    epochs = min(config.epochs, request.stop_after or config.epochs)
    callbacks: list[Callback] = [best]
    trainer = trainer_in(
        request.out, callbacks, epochs=epochs, progress=request.progress, gradient_clip=config.gradient_clip
    )
    resume = request.out / LAST
    if epochs_done(resume) < epochs:
        data = PictureData(sources, config, workers=request.workers)
        trainer.fit(module, data, ckpt_path=resume if resume.exists() else None)
    elif resume.exists():
        best.resume(resume)
    return best


def claim(request: PhantomTrainRequest) -> RunFolder:
    """Configuration and data make a run."""
    facts = {"config": json.loads(dumps(request.config)), "data_sha256": request.data.sha256()}
    data = request.data
    inputs = [data.training.root, data.validation.root, *data.faces, *data.backgrounds]
    return claim_folder(request.out, facts, force=request.force, inputs=inputs)


def picture_sources(data: PhantomData, config: PhantomTrainConfig) -> list[WeightedSource]:
    """Cuts of real photographs, and composites where there is something to make them of."""
    pictures = config.pictures
    real = RealScenes(data.training, size_px=pictures.size_px, mosaic_share=pictures.mosaic_share)
    if not (data.faces and data.backgrounds):
        return [WeightedSource(real, 1.0)]
    composite = CompositeScenes(data.faces, data.backgrounds, size_px=pictures.size_px)
    share = pictures.composite_share
    return [WeightedSource(real, 1.0 - share), WeightedSource(composite, share)]


def validation_set(annotated: AnnotatedSet, config: PhantomTrainConfig) -> ValidationSet:
    """Whole images at the size of the preprocessing."""
    images, boxes = network_inputs(annotated.images, Preprocessor(config.preprocessing))
    return ValidationSet(images, [(b, i.ignored) for b, i in zip(boxes, annotated.images, strict=True)])
