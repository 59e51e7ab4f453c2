"""`crystaledge train student_teacher`."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import replace

from crystaledge.cli.verb import Outcome, talk
from crystaledge.errors import UsageError
from crystaledge_training.anomaly.backbone_kind import BackboneKind
from crystaledge_training.commands.foreign import OF_PEOPLE, refuse_foreign
from crystaledge_training.data.anomaly_set import read_anomaly_set
from crystaledge_training.student_teacher.config import PUBLISHED_PAIR, StudentKind, StudentTeacherConfig
from crystaledge_training.student_teacher.train import StudentTeacherTrainRequest, StudentTeacherTrainResult, train
from crystaledge_training.student_teacher.train_config import StudentTeacherTrainConfig


def run(arguments: Namespace) -> Outcome:
    """Train a student; see the verb's help."""
    refuse_foreign(arguments, (*OF_PEOPLE, "bank_share"))
    config = _config(arguments)
    data = read_anomaly_set(arguments.data)
    talk(f"training student_teacher on {data.description}")
    request = StudentTeacherTrainRequest(
        data=data,
        data_licence=arguments.licence,
        out=arguments.out,
        config=config,
        stop_after=arguments.stop_after,
        force=arguments.force,
        say=talk,
        progress=sys.stderr.isatty() and not arguments.json,
    )
    return _outcome(train(request))


def _config(arguments: Namespace) -> StudentTeacherTrainConfig:
    config = StudentTeacherTrainConfig()
    given = {
        name: value
        for name in ("epochs", "holdout", "false_alarm_rate", "seed")
        if (value := getattr(arguments, name)) is not None
    }
    network = _pair(arguments.backbone, arguments.student, config.network)
    return replace(config, network=network, size_hw=arguments.size or config.size_hw, **given)


def _pair(
    backbone: BackboneKind | None, student: StudentKind | None, default: StudentTeacherConfig
) -> StudentTeacherConfig:
    """The published networks only have each other: either of them brings the other."""
    if BackboneKind.PUBLISHED is backbone or StudentKind.PUBLISHED is student:
        if backbone not in {None, BackboneKind.PUBLISHED} or student not in {None, StudentKind.PUBLISHED}:
            msg = "The published backbone and the published student go together; give both, or one of them alone."
            raise UsageError(msg)
        return PUBLISHED_PAIR
    return replace(default, teacher=backbone or default.teacher, student=student or default.student)


def _outcome(result: StudentTeacherTrainResult) -> Outcome:
    written = result.checkpoint or "no checkpoint yet, run the same command again to go on"
    text = (
        f"{written}: epoch {result.best_epoch + 1} of {result.epochs_done}, watched distance "
        f"{result.watched_distance:.4f}, {result.training_seconds / 60:.1f} min"
    )
    data = {
        "checkpoint": None if result.checkpoint is None else str(result.checkpoint),
        "best_epoch": result.best_epoch,
        "epochs": result.epochs_done,
        "watched_distance": result.watched_distance,
        "training_seconds": result.training_seconds,
    }
    return Outcome(text=text, data=data)
