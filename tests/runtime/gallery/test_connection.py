"""SQLite as a gallery needs it: what is set, what is rolled back, and what its errors mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crystaledge.gallery.connection import clear_errors, connect, fetch, writing
from crystaledge.gallery.errors import GalleryBusyError, GalleryError
from tests.support.messages import message_of

PATH = Path("people.db")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a database with one empty table."""
    (tmp_path / "a?b#c%20.db").touch()  # characters that mean something in a URI
    with closing(connect(tmp_path / "a?b#c%20.db", busy_timeout_s=0.0)) as made:
        made.execute("CREATE TABLE numbers (number INTEGER)")
        yield made


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        pytest.param("journal_mode", "truncate", id="a-commit-leaves-no-old-pages"),
        pytest.param("synchronous", 2, id="a-commit-survives-a-power-cut"),
        pytest.param("secure_delete", 1, id="what-is-deleted-is-overwritten"),
        pytest.param("temp_store", 2, id="cleaning-writes-no-file-elsewhere"),
        pytest.param("cell_size_check", 1, id="damage-is-looked-for"),
        pytest.param("trusted_schema", 0, id="a-file-runs-nothing"),
    ],
)
def test_the_connection_keeps_what_the_gallery_promises(
    connection: sqlite3.Connection, pragma: str, value: object
) -> None:
    assert connection.execute(f"PRAGMA {pragma}").fetchall() == [(value,)]


def test_a_connection_does_not_make_a_file(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        connect(tmp_path / "none.db", busy_timeout_s=0.0)
    assert list(tmp_path.iterdir()) == []


def test_a_write_ahead_log_of_somebody_elses_is_done_away_with(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("CREATE TABLE numbers (number INTEGER)")
    connect(tmp_path / "a.db", busy_timeout_s=0.0).close()
    assert not (tmp_path / "a.db-wal").exists()


def test_a_transaction_is_all_or_nothing(connection: sqlite3.Connection) -> None:
    with writing(connection):
        connection.execute("INSERT INTO numbers VALUES (1)")
    with pytest.raises(KeyboardInterrupt), writing(connection):
        connection.execute("INSERT INTO numbers VALUES (2)")
        raise KeyboardInterrupt
    assert not connection.in_transaction
    assert fetch(connection, "SELECT number FROM numbers", (), int) == [(1,)]


def test_another_writer_waits_before_it_has_read_anything(connection: sqlite3.Connection, tmp_path: Path) -> None:
    other = connect(tmp_path / "a?b#c%20.db", busy_timeout_s=0.0)
    refused = pytest.raises(sqlite3.OperationalError, match="locked")
    with closing(other), writing(connection), refused, writing(other):
        pytest.fail("two transactions had begun that would have decided on the same state")


def test_a_value_of_the_wrong_kind_is_refused(connection: sqlite3.Connection) -> None:
    with pytest.raises(GalleryError) as raised:
        fetch(connection, "SELECT 1, 'text'", (), int, bytes)
    assert "wrong kind" in message_of(raised)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(sqlite3.OperationalError("database is locked"), "is held by another process", id="locked"),
        pytest.param(sqlite3.OperationalError("database or disk is full"), "the disk is full", id="full"),
        pytest.param(sqlite3.DatabaseError("file is not a database"), "is no gallery, or is damaged", id="no-database"),
        pytest.param(sqlite3.DatabaseError("database disk image is malformed"), "is damaged; restore", id="malformed"),
        pytest.param(sqlite3.OperationalError("attempt to write a readonly database"), "be written", id="read-only"),
        pytest.param(sqlite3.OperationalError("unable to open database file"), "cannot be opened", id="unopened"),
        pytest.param(sqlite3.OperationalError("disk I/O error"), "cannot be used: disk I/O error.", id="any-other"),
        pytest.param(PermissionError(13, "Permission denied"), "cannot be used: Permission denied", id="rights"),
        pytest.param(UnicodeDecodeError("utf-8", b"\xa2", 0, 1, "no"), "is damaged; restore", id="damaged-message"),
    ],
)
def test_every_error_is_one_line_about_the_file(error: Exception, expected: str) -> None:
    with pytest.raises(GalleryError) as raised, clear_errors(PATH):
        raise error
    line = message_of(raised)
    assert line.startswith("The gallery people.db ") and expected in line
    assert isinstance(raised.value, GalleryBusyError) == ("locked" in str(error))


def test_a_mistake_in_a_program_stays_one() -> None:
    with pytest.raises(sqlite3.ProgrammingError), clear_errors(PATH):
        raise sqlite3.ProgrammingError
