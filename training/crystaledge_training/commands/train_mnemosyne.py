"""`crystaledge train mnemosyne`."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import asdict, replace

from crystaledge.cli.verb import Outcome, talk
from crystaledge.errors import UsageError
from crystaledge_training.commands.data import LFW_LICENCE, ChosenData, choose_people
from crystaledge_training.commands.foreign import OF_ANOMALIES, refuse_foreign
from crystaledge_training.distillation.tutor import Teacher
from crystaledge_training.mnemosyne.config import MnemosyneConfig, Variant
from crystaledge_training.mnemosyne.module import TrainConfig
from crystaledge_training.mnemosyne.qat import QatRequest, train_int8
from crystaledge_training.mnemosyne.qat_config import QatConfig
from crystaledge_training.mnemosyne.run import TrainResult
from crystaledge_training.mnemosyne.train import TrainRequest, train
from crystaledge_training.mnemosyne.train_wide import WideTrainConfig, WideTrainRequest, train_wide
from crystaledge_training.weights import embedded_checkpoint


def run(arguments: Namespace) -> Outcome:
    """Train Mnemosyne; see the verb's help."""
    _refuse_contradictions(arguments)
    chosen = choose_people(arguments.data, arguments.people, lfw_list="peopleDevTrain.txt")
    if arguments.qat:
        return _train_int8(arguments, chosen)
    wide = arguments.variant is Variant.WIDE
    return _train_wide(arguments, chosen) if wide else _train(arguments, chosen)


def _refuse_contradictions(arguments: Namespace) -> None:
    refuse_foreign(arguments, ("faces", "backgrounds", "workers", *OF_ANOMALIES))
    if arguments.checkpoint is not None and not arguments.qat:
        msg = "--checkpoint names the float network that --qat follows; give --qat too, or leave it out."
        raise UsageError(msg)
    if arguments.keep_float and not arguments.qat:
        msg = "--keep-float is about --qat; give --qat too, or leave it out."
        raise UsageError(msg)
    if arguments.qat and (arguments.encoding or arguments.hidden):
        msg = "--qat keeps the sizes of its checkpoint; leave --encoding and --hidden out."
        raise UsageError(msg)
    wide = arguments.variant is Variant.WIDE
    if arguments.distill and not wide:
        msg = "--distill is about the wide variant; give --variant wide too, or leave it out."
        raise UsageError(msg)
    if wide and (arguments.qat or arguments.encoding or arguments.hidden):
        msg = "The wide variant has one size and no --qat; leave --qat, --encoding and --hidden out."
        raise UsageError(msg)


def _train_int8(arguments: Namespace, chosen: ChosenData) -> Outcome:
    checkpoint = arguments.checkpoint or embedded_checkpoint(arguments.system)
    talk(f"training {arguments.system.value} for int8, after {checkpoint.name}, on {chosen.description}")
    config = QatConfig()
    request = QatRequest(
        checkpoint=checkpoint,
        people=chosen.people,
        data_description=chosen.description,
        out=arguments.out,
        config=replace(
            config,
            keep_float=tuple(arguments.keep_float),
            epochs=arguments.epochs or config.epochs,
            seed=config.seed if arguments.seed is None else arguments.seed,
        ),
        stop_after=arguments.stop_after,
        force=arguments.force,
        say=talk,
        progress=sys.stderr.isatty() and not arguments.json,
    )
    result = train_int8(request)
    found = result.validation
    text = (
        f"{result.artifact}: epoch {result.best_epoch + 1} of {result.epochs_done}, identity cosine "
        f"{found.cosine_mean:.5f}, 1st percentile {found.cosine_first_percentile:.5f} at the worst of "
        f"{found.steps} steps, {result.training_seconds / 60:.1f} min"
    )
    data = {
        "artifact": str(result.artifact),
        "best_epoch": result.best_epoch,
        "epochs": result.epochs_done,
        "validation": asdict(found),
        "training_seconds": result.training_seconds,
    }
    return Outcome(text=text, data=data)


def _train(arguments: Namespace, chosen: ChosenData) -> Outcome:
    talk(f"training {arguments.system.value} on {chosen.description}")
    result = train(
        TrainRequest(
            people=chosen.people,
            data_description=chosen.description,
            data_licence=_licence(arguments, chosen),
            out=arguments.out,
            config=_config(arguments),
            stop_after=arguments.stop_after,
            force=arguments.force,
            say=talk,
            progress=_shows_progress(arguments),
        )
    )
    if result.best_epoch < 0:
        talk("no checkpoint yet: the encoder is trained first; run the same command again to go on")
    return _outcome(result, "validation AUC")


def _train_wide(arguments: Namespace, chosen: ChosenData) -> Outcome:
    teacher = Teacher.DLIB_RESNET if arguments.distill else None
    taught = "labels alone" if teacher is None else f"{teacher.value} (its embeddings of these people stay in --out)"
    talk(f"training the wide {arguments.system.value} on {chosen.description}, taught by {taught}")
    config = WideTrainConfig(teacher=teacher)
    result = train_wide(
        WideTrainRequest(
            people=chosen.people,
            data_description=chosen.description,
            data_licence=_licence(arguments, chosen),
            out=arguments.out,
            config=replace(
                config,
                distil=replace(config.distil, epochs=arguments.epochs or config.distil.epochs),
                seed=config.seed if arguments.seed is None else arguments.seed,
            ),
            stop_after=arguments.stop_after,
            force=arguments.force,
            say=talk,
            progress=_shows_progress(arguments),
        )
    )
    if not result.checkpoint.exists():
        talk("no checkpoint yet: the encoder is trained first; run the same command again to go on")
    return _outcome(result, "validation accuracy on single images")


def _licence(arguments: Namespace, chosen: ChosenData) -> str:
    licence: str = arguments.licence
    return LFW_LICENCE if chosen.is_lfw and licence == "unknown" else licence


def _shows_progress(arguments: Namespace) -> bool:
    return sys.stderr.isatty() and not arguments.json


def _outcome(result: TrainResult, metric: str) -> Outcome:
    text = (
        f"{result.checkpoint}: epoch {result.best_epoch + 1} of {result.epochs_done}, {metric} "
        f"{result.validation:.4f}, {result.training_seconds / 60:.1f} min"
    )
    data = {
        "checkpoint": str(result.checkpoint),
        "best_epoch": result.best_epoch,
        "epochs": result.epochs_done,
        metric.replace(" ", "_").lower(): result.validation,
        "training_seconds": result.training_seconds,
    }
    return Outcome(text=text, data=data)


def _config(arguments: Namespace) -> TrainConfig:
    config = TrainConfig()
    network = MnemosyneConfig(
        encoding=arguments.encoding or config.network.encoding, hidden=arguments.hidden or config.network.hidden
    )
    return replace(
        config,
        network=network,
        epochs=arguments.epochs or config.epochs,
        seed=config.seed if arguments.seed is None else arguments.seed,
    )
