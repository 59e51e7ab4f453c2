"""One quantization-aware training run of Mnemosyne: a float checkpoint in, `trained-int8.safetensors` out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crystaledge.jsonio import dumps
from crystaledge.sources.identities import Catalogue, split_by_identity
from crystaledge.system import System
from crystaledge_training.checkpoint import Checkpoint, read_checkpoint
from crystaledge_training.data.frames import load_frames
from crystaledge_training.lightning_checkpoint import SafetensorsCheckpointIO
from crystaledge_training.mnemosyne.load import published_from_checkpoint
from crystaledge_training.mnemosyne.qat_config import QatConfig
from crystaledge_training.mnemosyne.qat_module import QatModule, summary
from crystaledge_training.mnemosyne.qat_tracks import with_mirrors
from crystaledge_training.mnemosyne.qat_trainer import BestStudent, TrackData
from crystaledge_training.quantization.artifact import (
    SCHEMA_VERSION,
    ArtifactKind,
    ClosedLoopValidation,
    TrainedInt8Record,
    tensors_of,
    write_trained_int8,
)
from crystaledge_training.run_folder import RunFolder, claim_folder, people_sha256
from crystaledge_training.trainer import LAST, epochs_done, trainer_in

ARTIFACT = "trained-int8.safetensors"
_BEST = "best.weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class QatRequest:
    """What to train, on what, and where to put it."""

    checkpoint: Path
    """The float network to follow."""
    people: Catalogue
    data_description: str
    out: Path
    config: QatConfig = QatConfig()
    stop_after: int | None = None
    """Stop when so many epochs are done; the schedule is still that of `config.epochs`."""
    progress: bool = True
    """Show a progress bar; else a line an epoch goes to `say`."""
    say: Callable[[str], None] = lambda line: None
    force: bool = False
    """Remove whatever is at `out` and start again."""


@dataclass(frozen=True, slots=True)
class QatResult:
    """What a run left behind."""

    artifact: Path
    best_epoch: int
    epochs_done: int
    validation: ClosedLoopValidation
    training_seconds: float


def train_int8(request: QatRequest) -> QatResult:
    """Train, or go on training, and write `out/trained-int8.safetensors`.

    A run stopped after any epoch and taken up again ends with the same bytes as one that was never
    stopped: batches are functions of (seed, epoch), the resume file holds weights, average, optimiser
    and schedule, and everything else is computed anew from checkpoint and data.

    Raises:
        DataError: too few people, a checkpoint that is none of Mnemosyne, or `out` holds another run.
    """
    config = request.config
    checkpoint = read_checkpoint(request.checkpoint)
    teacher = published_from_checkpoint(checkpoint, purpose="Quantization-aware training")
    spec = checkpoint.record.preprocessing
    training, held_out = split_by_identity(request.people, held_out=config.held_out, seed=config.seed)
    folder = _claim(request, checkpoint)
    store = with_mirrors(load_frames(training, spec))
    validation = with_mirrors(load_frames(held_out, spec))
    module = QatModule(config, teacher, spec, training=store, validation=validation)
    folder.take()
    best = BestStudent(request.out / _BEST, (lambda line: None) if request.progress else request.say)
    epochs = min(config.epochs, request.stop_after or config.epochs)
    trainer = trainer_in(request.out, [best], epochs=epochs, progress=request.progress)
    resume = request.out / LAST
    done = epochs_done(resume)
    if done < epochs:
        trainer.fit(module, TrackData(store, config), ckpt_path=resume if resume.exists() else None)
        done = trainer.current_epoch
    else:
        best.resume(resume)
    return _finish(request, checkpoint, module, best, done)


def _claim(request: QatRequest, checkpoint: Checkpoint) -> RunFolder:
    """Configuration, parent and people make a run."""
    facts = {
        "qat": json.loads(dumps(request.config)),
        "parent_sha256": checkpoint.sha256,
        "data_sha256": people_sha256(request.people),
    }
    return claim_folder(request.out, facts, force=request.force, inputs=[request.people.root, request.checkpoint])


def _finish(request: QatRequest, checkpoint: Checkpoint, module: QatModule, best: BestStudent, done: int) -> QatResult:
    module.kept.load_state_dict(SafetensorsCheckpointIO().load_checkpoint(best.path)["student"])
    module.cpu()
    found = summary(module.cosines(module.kept))
    record = TrainedInt8Record(
        schema_version=SCHEMA_VERSION,
        kind=ArtifactKind.TRAINED_INT8,
        system=System.MNEMOSYNE,
        parent_sha256=checkpoint.sha256,
        data=request.data_description,
        epochs=done,
        validation=found,
    )
    path = request.out / ARTIFACT
    write_trained_int8(path, record, tensors_of(module.kept))
    best.state_dict()
    return QatResult(path, best.epoch, done, found, best.seconds)
