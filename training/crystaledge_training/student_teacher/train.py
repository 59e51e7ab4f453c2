"""One training run of a student: normal images in, a checkpoint with its threshold out; resumes exactly."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import torch

from crystaledge.anomaly.scoring import Scoring
from crystaledge.anomaly.spec import AnomalyDecision
from crystaledge.errors import DataError
from crystaledge.files import sha256_of
from crystaledge.jsonio import dumps
from crystaledge.system import System
from crystaledge_training.anomaly.calibrate import calibrated
from crystaledge_training.anomaly.check_images import require_usable
from crystaledge_training.anomaly.outside_data import OUTSIDE_DATA
from crystaledge_training.checkpoint import SCHEMA_VERSION, CheckpointRecord, TrainingProvenance, write_checkpoint
from crystaledge_training.data.anomaly_set import AnomalySet
from crystaledge_training.lightning_checkpoint import SafetensorsCheckpointIO
from crystaledge_training.run_folder import RunFolder, claim_folder
from crystaledge_training.student_teacher.images import ResizedImages
from crystaledge_training.student_teacher.limits import batch_size_of
from crystaledge_training.student_teacher.module import VALIDATION_METRIC
from crystaledge_training.student_teacher.network import StudentTeacher
from crystaledge_training.student_teacher.scale import fit_scale
from crystaledge_training.student_teacher.split import NormalSplit, split_normal
from crystaledge_training.student_teacher.train_config import StudentTeacherTrainConfig
from crystaledge_training.student_teacher.train_student import BestStudent, train_student
from crystaledge_training.trainer import LAST, epochs_done

BEST = "best.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentTeacherTrainRequest:
    """What to train on and where to put it."""

    data: AnomalySet
    data_licence: str
    out: Path
    config: StudentTeacherTrainConfig = StudentTeacherTrainConfig()
    stop_after: int | None = None
    """Stop when so many epochs are done; the schedule is still that of `config.epochs`."""
    progress: bool = True
    say: Callable[[str], None] = lambda line: None
    force: bool = False
    """Remove whatever is at `out` and start again."""


@dataclass(frozen=True, slots=True)
class StudentTeacherTrainResult:
    """What a run left behind."""

    checkpoint: Path | None
    """None while there is more to train."""
    best_epoch: int
    epochs_done: int
    watched_distance: float
    """Of the best epoch."""
    training_seconds: float


def train(request: StudentTeacherTrainRequest) -> StudentTeacherTrainResult:
    """Train the student, or go on training, and write `out/best.safetensors`.

    A run stopped after any epoch and taken up again ends with the same weights as one that was never stopped.

    Raises:
        DataError: too few normal images, one that cannot be used, images too large for the memory allowed, `out`
            holds a run with another configuration or other data, or a training whose distances were never finite.
        OutputExistsError: `out` is there and no run.
        UsageError: images too small for the levels that are imitated.
    """
    config = replace(request.config, batch_size=batch_size_of(request.config))
    parts = split_normal(request.data.train, holdout=config.holdout, watched=config.watched, seed=config.seed)
    folder = _claim(request)
    training, watched = (ResizedImages(paths, config.preprocessing) for paths in (parts.training, parts.watched))
    require_usable(parts.training + parts.watched + parts.held_out, config.preprocessing)
    folder.take()
    epochs = min(config.epochs, request.stop_after or config.epochs)
    best = train_student(
        config, training, watched, request.out, epochs=epochs, progress=request.progress, say=request.say
    )
    done = epochs_done(request.out / LAST)
    if done < config.epochs and not best.has_waited(done):
        return StudentTeacherTrainResult(None, best.epoch, done, best.best, best.seconds)
    result = StudentTeacherTrainResult(request.out / BEST, best.epoch, done, best.best, best.seconds)
    network = _best_network(best, config)
    fit_scale(network, watched, config.preprocessing, batch_size=config.batch_size)
    _write(request, parts, network, result)
    return result


def _claim(request: StudentTeacherTrainRequest) -> RunFolder:
    """Configuration and images make a run."""
    data = request.data
    names = [str(path.relative_to(data.root)) for path in data.train]
    facts = {"config": json.loads(dumps(request.config)), "data_sha256": sha256_of(json.dumps(names).encode())}
    return claim_folder(request.out, facts, force=request.force, inputs=[data.root])


def _best_network(best: BestStudent, config: StudentTeacherTrainConfig) -> StudentTeacher:
    if best.epoch < 0:
        msg = f"No epoch had a finite distance; lower the learning rate of {config.learning_rate:g} and use --force."
        raise DataError(msg)
    network = StudentTeacher(config.network)
    network.load_state_dict(SafetensorsCheckpointIO().load_checkpoint(best.path)["network"])
    return network.eval()


def _decision(
    network: StudentTeacher, held_out: Sequence[Path], request: StudentTeacherTrainRequest
) -> AnomalyDecision:
    config = request.config
    return calibrated(
        network,
        held_out,
        config.preprocessing,
        Scoring(blur_cells=config.blur_cells),
        false_alarm_rate=config.false_alarm_rate,
        data=f"folder {request.data.root.name!r}",
    )


def _write(
    request: StudentTeacherTrainRequest,
    parts: NormalSplit,
    network: StudentTeacher,
    result: StudentTeacherTrainResult,
) -> None:
    config = request.config
    record = CheckpointRecord(
        schema_version=SCHEMA_VERSION,
        system=System.STUDENT_TEACHER,
        network=config.network,
        preprocessing=config.preprocessing,
        decision=_decision(network, parts.held_out, request),
        provenance=TrainingProvenance(
            package_version=version("crystaledge"),
            torch_version=torch.__version__,
            seed=config.seed,
            epochs=result.epochs_done,
            best_epoch=result.best_epoch,
            training_seconds=round(result.training_seconds, 1),
            data=request.data.description,
            outside_data=OUTSIDE_DATA[config.network.teacher],
            people_trained=0,
            people_validated=0,
            images_trained=len(parts.training),
            images_validated=len(parts.watched) + len(parts.held_out),
            licence=request.data_licence,
        ),
        validation=((VALIDATION_METRIC, result.watched_distance),),
    )
    write_checkpoint(request.out / BEST, record, network.state_dict())
