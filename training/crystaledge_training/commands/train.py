"""`crystaledge train`."""

from __future__ import annotations

import logging
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch

from crystaledge.cli.verb import Outcome, talk
from crystaledge.system import System
from crystaledge_training.commands.data import LFW_LICENCE, choose_people
from crystaledge_training.mnemosyne.config import MnemosyneConfig
from crystaledge_training.mnemosyne.module import TrainConfig
from crystaledge_training.mnemosyne.train import TrainRequest, TrainResult, train

TRAINERS: Mapping[System, Callable[[TrainRequest], TrainResult]] = {System.MNEMOSYNE: train}


def run(arguments: Namespace) -> Outcome:
    """Train a system; see the verb's help."""
    chosen = choose_people(arguments.data, arguments.people, lfw_list="peopleDevTrain.txt")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    _quiet_lightning()
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
    result = TRAINERS[arguments.system](request)
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


def _quiet_lightning() -> None:
    """Lightning advertises and advises; on a command line only what concerns the user is said."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning.*")
