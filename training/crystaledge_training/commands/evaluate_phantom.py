"""`crystaledge evaluate phantom`."""

from __future__ import annotations

from argparse import Namespace

from crystaledge.cli.verb import Outcome, talk
from crystaledge.errors import UsageError
from crystaledge.jsonio import encode
from crystaledge.manifest.model import detection_decision
from crystaledge_training.commands.reports import decided_checkpoint, without_nan, write_report
from crystaledge_training.data.annotations import Split, read_annotations
from crystaledge_training.phantom.evaluate import evaluate
from crystaledge_training.phantom.load import phantom_from_checkpoint
from crystaledge_training.phantom.report import markdown


def run(arguments: Namespace) -> Outcome:
    """Evaluate a checkpoint of Phantom; see the verb's help."""
    if arguments.people is not None:
        msg = "--people is about networks that tell people apart; leave it out for phantom, and see --split."
        raise UsageError(msg)
    checkpoint = decided_checkpoint(arguments)
    network = phantom_from_checkpoint(checkpoint)
    decision = detection_decision(checkpoint.record.decision, where="The checkpoint")
    annotated = read_annotations(arguments.data, split=arguments.split or Split.VALIDATION)
    talk(f"evaluating {checkpoint.sha256[:12]} on {annotated.description}")
    result = evaluate(
        network.detector,
        annotated.images,
        checkpoint.record.preprocessing,
        decision,
        resamples=arguments.bootstrap,
        seed=arguments.seed,
    )
    title = f"{checkpoint.record.system.value} {checkpoint.sha256[:12]} on {annotated.description}"
    text = markdown(result, title=title)
    data = {"title": title, "checkpoint_sha256": checkpoint.sha256, "evaluation": without_nan(encode(result))}
    if arguments.out is not None:
        write_report(arguments.out, text, data, {}, force=arguments.force)
    return Outcome(text=text, data=data)
