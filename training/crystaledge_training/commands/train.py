"""`crystaledge train`."""

from __future__ import annotations

import logging
import warnings
from argparse import Namespace
from collections.abc import Callable, Mapping

import torch

from crystaledge.cli.verb import Outcome
from crystaledge.system import System
from crystaledge_training.commands import train_mnemosyne, train_patchcore, train_phantom, train_student_teacher

TRAINERS: Mapping[System, Callable[[Namespace], Outcome]] = {
    System.MNEMOSYNE: train_mnemosyne.run,
    System.PHANTOM: train_phantom.run,
    System.PATCHCORE: train_patchcore.run,
    System.STUDENT_TEACHER: train_student_teacher.run,
}


def run(arguments: Namespace) -> Outcome:
    """Train a system; see the verb's help."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    _quiet_lightning()
    return TRAINERS[arguments.system](arguments)


def _quiet_lightning() -> None:
    """Lightning advertises and advises; on a command line only what concerns the user is said."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning.*")
