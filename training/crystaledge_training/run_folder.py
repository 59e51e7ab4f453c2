"""The folder of a training: whose it is, and when it may be taken, gone on in, or removed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crystaledge.errors import DataError
from crystaledge.files import refuse_existing, sha256_of, write_atomic
from crystaledge.sources.identities import Catalogue

RUN = "run.json"
"""What makes a run this run and no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """A folder that a run may have; nothing is written or removed before `take`."""

    path: Path
    claim: str
    force: bool

    def take(self) -> None:
        """To be called once everything that the run reads is known to be good."""
        if self.force and self.path.exists():
            shutil.rmtree(self.path)
        write_atomic(self.path / RUN, self.claim.encode())


def claim_folder(path: Path, facts: Mapping[str, Any], *, force: bool, inputs: Sequence[Path]) -> RunFolder:
    """Claim a folder for the run that these facts (JSON) describe; two runs with the same facts are the same run.

    Args:
        force: whatever is there will be removed.
        inputs: what the run reads, which must not be removed with it.

    Raises:
        DataError: another run has the folder, something else lies there, or an input lies inside of what
            `force` would remove.
    """
    claim = json.dumps(facts, indent=2) + "\n"
    file = path / RUN
    if not force and file.exists() and file.read_text(encoding="utf-8") != claim:
        msg = f"{path} holds another run, of another configuration or other data; give another --out, or remove it."
        raise DataError(msg)
    if force or not file.exists():
        refuse_existing(path, force=force, marker=RUN)
    lost = [source for source in inputs if source.resolve().is_relative_to(path.resolve())] if force else []
    if lost:
        msg = f"{lost[0]} lies inside {path}, which --force would delete; give another --out."
        raise DataError(msg)
    return RunFolder(path=path, claim=claim, force=force)


def people_sha256(people: Catalogue) -> str:
    """Hash of who there is and with how many images each."""
    return sha256_of(json.dumps([(i.name, len(i.paths)) for i in people.identities]).encode())
