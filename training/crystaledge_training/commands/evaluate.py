"""`crystaledge evaluate`."""

from __future__ import annotations

import json
import math
from argparse import Namespace
from pathlib import Path
from typing import Any

from crystaledge.cli.verb import Outcome, talk
from crystaledge.errors import DataError
from crystaledge.files import folder_atomic, refuse_existing
from crystaledge.jsonio import encode
from crystaledge.manifest.model import identity_decision
from crystaledge_training.checkpoint import read_checkpoint
from crystaledge_training.commands.data import choose_people
from crystaledge_training.data.frames import load_frames
from crystaledge_training.mnemosyne.evaluate import Evaluation, evaluate
from crystaledge_training.mnemosyne.load import mnemosyne_from_checkpoint
from crystaledge_training.mnemosyne.report import markdown, plots
from crystaledge_training.weights import embedded_checkpoint

REPORT = "report.json"


def run(arguments: Namespace) -> Outcome:
    """Evaluate a checkpoint; see the verb's help."""
    if arguments.out is not None:
        refuse_existing(arguments.out, force=arguments.force, marker=REPORT)
    checkpoint = read_checkpoint(arguments.checkpoint or embedded_checkpoint(arguments.system))
    record = checkpoint.record
    if record.decision is None:
        msg = "The checkpoint carries no decision parameters; finish its training run first."
        raise DataError(msg)
    chosen = choose_people(arguments.data, arguments.people, lfw_list="peopleDevTest.txt")
    talk(f"evaluating {checkpoint.sha256[:12]} on {chosen.description}")
    network = mnemosyne_from_checkpoint(checkpoint)
    store = load_frames(chosen.people, record.preprocessing)
    result = evaluate(
        network,
        store,
        record.preprocessing,
        identity_decision(record.decision, where="The checkpoint"),
        resamples=arguments.bootstrap,
        seed=arguments.seed,
    )
    title = f"{record.system.value} {checkpoint.sha256[:12]} on {chosen.description}"
    text = markdown(result, title=title)
    data = {"title": title, "checkpoint_sha256": checkpoint.sha256, "evaluation": without_nan(encode(result))}
    if arguments.out is not None:
        _write(arguments.out, result, text, data, force=arguments.force)
    return Outcome(text=text, data=data)


def _write(folder: Path, result: Evaluation, text: str, data: dict[str, Any], *, force: bool) -> None:
    with folder_atomic(folder, force=force, marker=REPORT) as temporary:
        images = plots(result)
        for name, content in images.items():
            (temporary / name).write_bytes(content)
        links = "\n".join(f"![{name}]({name})" for name in images)
        (temporary / "report.md").write_text(f"{text}\n{links}\n", encoding="utf-8")
        (temporary / REPORT).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def without_nan(value: Any) -> Any:
    """JSON has no NaN: an interval that could not be computed is null."""
    if isinstance(value, dict):
        return {k: without_nan(v) for k, v in value.items()}
    if isinstance(value, list):
        return [without_nan(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value
