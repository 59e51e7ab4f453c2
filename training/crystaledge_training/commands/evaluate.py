"""`crystaledge evaluate`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping

from crystaledge.cli.verb import Outcome
from crystaledge.system import System
from crystaledge_training.commands import evaluate_anomaly, evaluate_mnemosyne, evaluate_phantom

EVALUATORS: Mapping[System, Callable[[Namespace], Outcome]] = {
    System.MNEMOSYNE: evaluate_mnemosyne.run,
    System.PHANTOM: evaluate_phantom.run,
    System.PATCHCORE: evaluate_anomaly.run,
    System.STUDENT_TEACHER: evaluate_anomaly.run,
}


def run(arguments: Namespace) -> Outcome:
    """Evaluate a checkpoint; see the verb's help."""
    return EVALUATORS[arguments.system](arguments)
