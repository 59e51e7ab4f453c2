"""Whose a run folder is: gone on in by the same run, refused to another, and removed only when it may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crystaledge.errors import CrystalEdgeError, DataError
from crystaledge_training.run_folder import RUN, claim_folder
from tests.support.messages import message_of

FACTS = {"config": {"epochs": 3}, "data_sha256": "a" * 64}


def taken(out: Path, facts: dict[str, Any] = FACTS, *, force: bool = False) -> Path:
    """A folder that a run has taken, with something of its own in it."""
    claim_folder(out, facts, force=force, inputs=[]).take()
    (out / "weights").write_bytes(b"kept")
    return out


def test_nothing_is_written_before_a_folder_is_taken(tmp_path: Path) -> None:
    claim_folder(tmp_path / "run", FACTS, force=False, inputs=[])
    assert not (tmp_path / "run").exists()


def test_the_same_run_goes_on_in_its_folder(tmp_path: Path) -> None:
    out = taken(tmp_path / "run")
    claim_folder(out, dict(FACTS), force=False, inputs=[]).take()
    assert (out / "weights").read_bytes() == b"kept"


def test_another_run_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    out = taken(tmp_path / "run")
    before = (out / RUN).read_bytes()
    with pytest.raises(DataError) as raised:
        claim_folder(out, {**FACTS, "data_sha256": "b" * 64}, force=False, inputs=[])
    assert message_of(raised).endswith("of another configuration or other data; give another --out, or remove it.")
    assert (out / RUN).read_bytes() == before and (out / "weights").exists()


@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_run_is_never_taken(force: bool, tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(CrystalEdgeError):
        claim_folder(tmp_path, FACTS, force=force, inputs=[])
    assert (tmp_path / "holiday.jpg").exists()


def test_force_begins_anew(tmp_path: Path) -> None:
    out = taken(tmp_path / "run")
    claim_folder(out, {**FACTS, "data_sha256": "b" * 64}, force=True, inputs=[tmp_path]).take()
    assert [path.name for path in out.iterdir()] == [RUN]


@pytest.mark.parametrize("place", [".", "data", "data/people"])
def test_force_never_removes_what_the_run_reads(place: str, tmp_path: Path) -> None:
    out = taken(tmp_path / "run")
    with pytest.raises(DataError) as raised:
        claim_folder(out, FACTS, force=True, inputs=[tmp_path, out / place])
    assert "which --force would delete" in message_of(raised)
    assert (out / "weights").exists()
