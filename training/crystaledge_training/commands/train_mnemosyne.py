"""`crystaledge train mnemosyne`."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import asdict, replace

from crystaledge.cli.verb import Outcome, talk
from crystaledge.errors import UsageError
from crystaledge_training.commands.data import LFW_LICENCE, ChosenData, choose_people
from crystaledge_training.mnemosyne.config import MnemosyneConfig
from crystaledge_training.mnemosyne.module import TrainConfig
from crystaledge_training.mnemosyne.qat import QatRequest, train_int8
from crystaledge_training.mnemosyne.qat_config import QatConfig
from crystaledge_training.mnemosyne.train import TrainRequest, train
from crystaledge_training.weights import embedded_checkpoint


def run(arguments: Namespace) -> Outcome:
    """Train Mnemosyne; see the verb's help."""
    _refuse_contradictions(arguments)
    chosen = choose_people(arguments.data, arguments.people, lfw_list="peopleDevTrain.txt")
    return _train_int8(arguments, chosen) if arguments.qat else _train(arguments, chosen)


def _refuse_contradictions(arguments: Namespace) -> None:
    if arguments.checkpoint is not None and not arguments.qat:
        msg = "--checkpoint names the float network that --qat follows; give --qat too, or leave it out."
        raise UsageError(msg)
    if arguments.keep_float and not arguments.qat:
        msg = "--keep-float is about --qat; give --qat too, or leave it out."
        raise UsageError(msg)
    if arguments.qat and (arguments.encoding or arguments.hidden):
        msg = "--qat keeps the sizes of its checkpoint; leave --encoding and --hidden out."
        raise UsageError(msg)
    if arguments.faces or arguments.backgrounds:
        msg = "--faces and --backgrounds are about detectors; leave them out for mnemosyne."
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
    licence = LFW_LICENCE if chosen.is_lfw and arguments.licence == "unknown" else arguments.licence
    request = TrainRequest(
        people=chosen.people,
        data_description=chosen.description,
        data_licence=licence,
        out=arguments.out,
        config=_config(arguments),
        stop_after=arguments.stop_after,
        force=arguments.force,
        say=talk,
        progress=sys.stderr.isatty() and not arguments.json,
    )
    result = train(request)
    if result.best_epoch < 0:
        talk("no checkpoint yet: the encoder is trained first; run the same command again to go on")
    text = (
        f"{result.checkpoint}: epoch {result.best_epoch + 1} of {result.epochs_done}, validation AUC "
        f"{result.validation_auc:.4f}, {result.training_seconds / 60:.1f} min"
    )
    data = {
        "checkpoint": str(result.checkpoint),
        "best_epoch": result.best_epoch,
        "epochs": result.epochs_done,
        "validation_auc": result.validation_auc,
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
