"""`crystaledge evaluate mnemosyne`."""

from __future__ import annotations

from argparse import Namespace

from crystaledge.cli.verb import Outcome, talk
from crystaledge.errors import UsageError
from crystaledge.jsonio import encode
from crystaledge.manifest.model import identity_decision
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge.sources.identities import read_catalogue
from crystaledge_training.commands.data import choose_people
from crystaledge_training.commands.reports import decided_checkpoint, without_nan, write_report
from crystaledge_training.data.frames import load_frames
from crystaledge_training.data.lfw_pairs import read_lfw_pairs
from crystaledge_training.mnemosyne.evaluate import evaluate
from crystaledge_training.mnemosyne.evaluate_pairs import PairsResult, measure_pairs
from crystaledge_training.mnemosyne.load import mnemosyne_from_checkpoint
from crystaledge_training.mnemosyne.report import markdown, pairs_lines, plots
from crystaledge_training.mnemosyne.step import CrystallizationNetwork


def run(arguments: Namespace) -> Outcome:
    """Evaluate a checkpoint of Mnemosyne; see the verb's help."""
    if arguments.split is not None:
        msg = "--split is about annotated images; leave it out for mnemosyne, whose people --people chooses."
        raise UsageError(msg)
    checkpoint = decided_checkpoint(arguments)
    network = mnemosyne_from_checkpoint(checkpoint)
    record = checkpoint.record
    decision = identity_decision(record.decision, where="The checkpoint")
    chosen = choose_people(arguments.data, arguments.people, lfw_list="peopleDevTest.txt")
    talk(f"evaluating {checkpoint.sha256[:12]} on {chosen.description}")
    store = load_frames(chosen.people, record.preprocessing)
    result = evaluate(
        network, store, record.preprocessing, decision, resamples=arguments.bootstrap, seed=arguments.seed
    )
    title = f"{record.system.value} {checkpoint.sha256[:12]} on {chosen.description}"
    text = markdown(result, title=title)
    data = {"title": title, "checkpoint_sha256": checkpoint.sha256, "evaluation": without_nan(encode(result))}
    if chosen.is_lfw and arguments.people is None:
        pairs = _view_1(network, arguments, record.preprocessing)
        text += "\n".join(["", *pairs_lines(pairs), ""])
        data["view_1"] = without_nan(encode(pairs))
    if arguments.out is not None:
        write_report(arguments.out, text, data, plots(result), force=arguments.force)
    return Outcome(text=text, data=data)


def _view_1(network: CrystallizationNetwork, arguments: Namespace, spec: Preprocessing) -> PairsResult:
    everyone = read_catalogue(arguments.data)
    training, test = (read_lfw_pairs(arguments.data / f"pairsDev{part}.txt", everyone) for part in ("Train", "Test"))
    return measure_pairs(network, training, test, spec, resamples=arguments.bootstrap, seed=arguments.seed)
