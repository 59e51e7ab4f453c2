"""The audit: one line for everything that happened, and whoever meddles with it is found."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from crystaledge.gallery.audit_line import Receipt
from crystaledge.gallery.errors import GalleryError
from tests.runtime.gallery.galleries import RETENTION, START, Clock, enrol, opened, tamper
from tests.support.messages import message_of

UNLOCK = ("DROP TRIGGER audit_is_not_changed", "DROP TRIGGER audit_is_not_deleted")
"""Whoever can write the file can do this, and sqlite3 has to accept it."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A gallery with five lines in its audit."""
    with opened(tmp_path / "gallery.db") as store:
        enrol(store, "ada", "bob", "eve")
        store.record_match("bob", score=0.75, track=2)
        store.forget("ada")
    return tmp_path / "gallery.db"


def finding(path: Path) -> str:
    """The line in which the audit is refused."""
    with pytest.raises(GalleryError) as raised, opened(path) as store:
        store.verify_audit()
    return message_of(raised)


def test_everything_has_its_line(path: Path) -> None:
    clock = Clock()
    clock.advance(RETENTION)
    with opened(path, clock) as store:
        lines = store.audit()
        assert store.verify_audit() == len(lines) == 7
    ada, bob, eve = (line.subject for line in lines[:3])
    assert [(line.action, line.subject) for line in lines] == [
        ("enrol", ada),
        ("enrol", bob),
        ("enrol", eve),
        ("match", bob),
        ("forget", ada),
        ("expiry", bob),
        ("expiry", eve),
    ]
    assert len({ada, bob, eve}) == 3
    assert [line.line for line in lines] == list(range(1, 8))
    assert lines[3].detail == "score=0.75 track=2"
    assert lines[0].time == "2030-05-06T07:08:09.000000+00:00"


def test_a_receipt_names_its_line(path: Path) -> None:
    with opened(path) as store:
        receipt = store.forget("bob")
        line = store.audit()[-1]
    assert receipt == Receipt(subject=line.subject, time=START, audit_hash=line.hash)


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE audit SET time = '2030-05-06T07:08:10.000000+00:00' WHERE line = 4", id="time"),
        pytest.param("UPDATE audit SET action = 'enrol' WHERE line = 4", id="action"),
        pytest.param("UPDATE audit SET subject = (SELECT subject FROM audit WHERE line = 3) WHERE line = 4", id="who"),
        pytest.param("UPDATE audit SET detail = 'score=0.99 track=2' WHERE line = 4", id="detail"),
        pytest.param("UPDATE audit SET hash = randomblob(32) WHERE line = 4", id="hash"),
        pytest.param("UPDATE audit SET hash = 'text' WHERE line = 4", id="kind"),
        pytest.param("DELETE FROM audit WHERE line = 1", id="first-removed"),
        pytest.param("DELETE FROM audit WHERE line = 4", id="middle-removed"),
        pytest.param("DELETE FROM audit WHERE line = 5", id="last-removed"),
        pytest.param("DELETE FROM audit", id="all-removed"),
        pytest.param(
            "INSERT INTO audit SELECT 6, time, action, subject, detail, hash FROM audit WHERE line = 4", id="+"
        ),
        pytest.param("UPDATE audit SET line = 9 WHERE line = 5", id="renumbered"),
    ],
)
def test_a_line_that_was_meddled_with_is_found(path: Path, statement: str) -> None:
    with opened(path) as store:
        assert store.verify_audit() == 5
    tamper(path, *UNLOCK, statement)
    assert "audit" in finding(path) or "wrong kind" in finding(path)


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE progress SET lines = 4, hash = (SELECT hash FROM audit WHERE line = 4)", id="cut-off"),
        pytest.param("UPDATE progress SET latest = '2020-01-01T00:00:00.000000+00:00'", id="time-turned-back"),
        pytest.param("UPDATE progress SET version = 0", id="version"),
        pytest.param("UPDATE progress SET residue = 4", id="residue"),
        pytest.param("UPDATE progress SET seal = zeroblob(32)", id="seal"),
        pytest.param("DELETE FROM progress", id="removed"),
    ],
)
def test_progress_that_was_meddled_with_does_not_open(path: Path, statement: str) -> None:
    tamper(path, statement)
    with pytest.raises(GalleryError) as raised:
        opened(path)
    assert "progress was changed or damaged" in message_of(raised)


def test_a_line_cut_off_with_its_old_progress_row_is_found(path: Path) -> None:
    # Somebody kept the row from before the last line; its seal is genuine, so the seal alone does not help.
    tamper(path, "CREATE TABLE kept AS SELECT * FROM progress")
    with opened(path) as store:
        store.forget("bob")
    tamper(path, "DELETE FROM progress", "INSERT INTO progress SELECT * FROM kept", "DROP TABLE kept")
    assert "the gallery's audit" in finding(path).lower()


def test_the_audit_is_append_only_without_meddling(path: Path) -> None:
    for statement in ("UPDATE audit SET detail = ''", "DELETE FROM audit"):
        with pytest.raises(Exception, match="append-only"):
            tamper(path, statement)


def test_a_person_put_back_from_a_copy_is_found(path: Path) -> None:
    tamper(path, "CREATE TABLE kept AS SELECT * FROM people LIMIT 1")
    with opened(path) as store:
        store.forget("bob")
    tamper(path, "INSERT INTO people SELECT * FROM kept")
    assert "not those that its audit enrolled" in finding(path)


def test_a_person_removed_behind_its_back_is_found(path: Path) -> None:
    tamper(path, "DELETE FROM people WHERE number = (SELECT max(number) FROM people)")
    assert "not those that its audit enrolled" in finding(path)


def test_time_stands_still_where_the_clock_jumps_back(path: Path) -> None:
    clock = Clock()
    clock.advance(timedelta(days=-900))
    with opened(path, clock) as store:
        assert store.forget("bob").time == START
        store.verify_audit()
