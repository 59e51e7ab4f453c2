"""Killed at any moment: the gallery opens, what was acknowledged is there, what was forgotten is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.runtime.gallery.galleries import enrol, opened, secrets_of
from tests.runtime.gallery.kill import Acknowledged, kill_rounds

ROUNDS = int(os.environ.get("CRYSTALEDGE_KILLS", "40"))


def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    outcomes = kill_rounds(tmp_path, ROUNDS, seed=1)
    assert outcomes["acknowledged"] > ROUNDS
    assert any(outcome.startswith(("enrol", "forget")) for outcome in outcomes), "no kill met a write"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A gallery in which Bob is enrolled, and nobody else."""
    with opened(tmp_path / "gallery.db") as store:
        enrol(store, "bob")
    return tmp_path / "gallery.db"


@pytest.mark.parametrize(
    "acknowledged",
    [
        pytest.param(Acknowledged(people={"bob", "ada"}), id="somebody-is-lost"),
        pytest.param(Acknowledged(forgotten={"bob"}), id="somebody-is-back"),
        pytest.param(Acknowledged(people={"bob"}, hashes={"ff"}), id="a-line-of-the-audit-is-lost"),
        pytest.param(Acknowledged(in_flight=("match", "bob")), id="somebody-new-came-of-a-match"),
    ],
)
def test_the_comparison_sees_what_goes_wrong(path: Path, acknowledged: Acknowledged) -> None:
    with pytest.raises(AssertionError):
        acknowledged.compare(path)


def test_the_comparison_sees_bytes_that_are_left(path: Path) -> None:
    with opened(path) as store:
        secrets = secrets_of(path, store.people()[0].subject)
    acknowledged = Acknowledged(people={"bob"}, forgotten={"ada"}, secrets={"ada": secrets})
    with pytest.raises(AssertionError):
        acknowledged.compare(path)


def test_what_was_in_flight_may_be_either_way(path: Path) -> None:
    assert Acknowledged(in_flight=("enrol", "bob")).compare(path) == "enrol done"
    assert Acknowledged(people={"bob"}, in_flight=("enrol", "ada")).compare(path) == "enrol undone"
    assert Acknowledged(people={"bob", "ada"}, in_flight=("forget", "ada")).compare(path) == "forget done"
    assert Acknowledged(people={"bob"}, in_flight=("forget", "bob")).compare(path) == "forget undone"
