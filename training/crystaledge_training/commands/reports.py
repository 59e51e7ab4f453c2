"""What every evaluation begins and ends with: a checkpoint that can decide, and a report that is written whole."""

from __future__ import annotations

import json
import math
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crystaledge.errors import DataError
from crystaledge.files import folder_atomic, refuse_existing
from crystaledge_training.checkpoint import Checkpoint, read_checkpoint
from crystaledge_training.commands.choose_checkpoint import chosen_checkpoint

REPORT = "report.json"


def decided_checkpoint(arguments: Namespace) -> Checkpoint:
    """The checkpoint that is evaluated, once the place of its report is known to be free.

    Raises:
        OutputExistsError: `--out` exists and may not be replaced.
        DataError: it cannot be read, or has no decision parameters.
    """
    if arguments.out is not None:
        refuse_existing(arguments.out, force=arguments.force, marker=REPORT)
    checkpoint = read_checkpoint(chosen_checkpoint(arguments))
    if checkpoint.record.decision is None:
        msg = "The checkpoint carries no decision parameters; finish its training run first."
        raise DataError(msg)
    return checkpoint


def write_report(folder: Path, text: str, data: Mapping[str, Any], images: Mapping[str, bytes], *, force: bool) -> None:
    """`report.md`, `report.json` and PNG files by name, all or nothing."""
    with folder_atomic(folder, force=force, marker=REPORT) as temporary:
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
