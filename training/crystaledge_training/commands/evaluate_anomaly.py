"""`crystaledge evaluate patchcore` and `crystaledge evaluate student_teacher`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping

from torch import nn

from crystaledge.anomaly.bank import Bank
from crystaledge.anomaly.scoring import Scoring
from crystaledge.cli.verb import Outcome, talk
from crystaledge.errors import DataError, UsageError
from crystaledge.jsonio import encode
from crystaledge.manifest.model import anomaly_decision
from crystaledge.system import System
from crystaledge_training.anomaly.evaluate import evaluate, look
from crystaledge_training.anomaly.misses import misses_picture
from crystaledge_training.anomaly.plots import plots
from crystaledge_training.anomaly.report import markdown
from crystaledge_training.checkpoint import Checkpoint
from crystaledge_training.commands.reports import decided_checkpoint, without_nan, write_report
from crystaledge_training.data.anomaly_set import AnomalySet, read_anomaly_set
from crystaledge_training.patchcore.load import patchcore_from_checkpoint
from crystaledge_training.student_teacher.load import student_teacher_from_checkpoint


def run(arguments: Namespace) -> Outcome:
    """Evaluate a checkpoint that finds anomalies; see the verb's help."""
    for name in ("people", "split"):
        if getattr(arguments, name) is not None:
            msg = f"--{name} is about other systems; leave it out for {arguments.system.value}."
            raise UsageError(msg)
    checkpoint = decided_checkpoint(arguments)
    network, bank = NETWORKS[arguments.system](checkpoint)
    labelled = _tested(read_anomaly_set(arguments.data))
    talk(f"evaluating {checkpoint.sha256[:12]} on {labelled.description}")
    decision = anomaly_decision(checkpoint.record.decision, where="The checkpoint")
    scoring = Scoring(blur_cells=decision.blur_cells, neighbours=decision.neighbours, rerank=decision.rerank, bank=bank)
    preprocessing = checkpoint.record.preprocessing
    looked = look(network, labelled.test, preprocessing, scoring)
    result = evaluate(
        looked, decision, size_hw=preprocessing.size_hw, resamples=arguments.bootstrap, seed=arguments.seed
    )
    title = f"{arguments.system.value} {checkpoint.sha256[:12]} on {labelled.description}"
    text = markdown(result, title=title)
    data = {"title": title, "checkpoint_sha256": checkpoint.sha256, "evaluation": without_nan(encode(result))}
    if arguments.out is not None:
        pictures = {**plots(result), "misses.png": misses_picture(looked.seen, decision)}
        write_report(arguments.out, text, data, pictures, force=arguments.force)
    return Outcome(text=text, data=data)


def _patchcore(checkpoint: Checkpoint) -> tuple[nn.Module, Bank | None]:
    network = patchcore_from_checkpoint(checkpoint)
    return network, Bank(network.bank.numpy())


def _student_teacher(checkpoint: Checkpoint) -> tuple[nn.Module, Bank | None]:
    return student_teacher_from_checkpoint(checkpoint), None


NETWORKS: Mapping[System, Callable[[Checkpoint], tuple[nn.Module, Bank | None]]] = {
    System.PATCHCORE: _patchcore,
    System.STUDENT_TEACHER: _student_teacher,
}
"""The network in inference mode, and the bank that its host would hold."""


def _tested(labelled: AnomalySet) -> AnomalySet:
    if not labelled.test:
        msg = f"{labelled.root} holds no images to test on; expected test/good and test/KIND, or folders of defects."
        raise DataError(msg)
    return labelled
