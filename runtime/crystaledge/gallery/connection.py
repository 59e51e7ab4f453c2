"""How a gallery speaks to SQLite: durable, leaving no deleted bytes, one clear line where it fails.

The journal is SQLite's rollback journal, truncated at each commit, and not a write-ahead log: a log
keeps old pages until no other process reads them, so that `forget` could not promise to be done when
it returns. At `synchronous=FULL` the truncation itself is synced, so that a commit survives a power cut.
https://www.sqlite.org/pragma.html#pragma_journal_mode
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from crystaledge.gallery.errors import GalleryBusyError, GalleryError

_SETTINGS = (
    "PRAGMA journal_mode=TRUNCATE",
    "PRAGMA synchronous=FULL",
    "PRAGMA secure_delete=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cell_size_check=ON",
    "PRAGMA trusted_schema=OFF",
)

_MEANINGS = (
    ("locked", "is held by another process; nothing was changed, try again later"),
    ("disk is full", "cannot grow, since the disk is full; nothing was changed, free some space"),
    ("not a database", "is no gallery, or is damaged; restore it from a copy"),
    ("malformed", "is damaged; restore it from a copy"),
    ("readonly", "cannot be written; nothing was changed, allow writing to the file and its folder"),
    ("unable to open", "cannot be opened; the file and its folder have to be writable by this user"),
)
"""Words of SQLite's messages and what they mean here; numbers of its errors are known from Python 3.11 on only."""

JOURNAL = "-journal"


def connect(path: Path, *, busy_timeout_s: float) -> sqlite3.Connection:
    """A connection to a database that exists, in autocommit mode; see `writing`."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=busy_timeout_s, isolation_level=None)
    try:
        for setting in _SETTINGS:
            connection.execute(setting).fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction, all or nothing; other writers wait for its end from its beginning on."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite may have ended it already
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


@contextmanager
def clear_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the file system into one line about the gallery.

    Raises:
        GalleryBusyError: another process held the gallery longer than the busy timeout.
        GalleryError: anything else.
    """
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a gallery that is closed, or used from another thread: a mistake in a program
    except sqlite3.Error as error:
        raise _translated(path, str(error)) from error
    except UnicodeDecodeError as error:  # SQLite quotes damaged text in its messages
        raise _translated(path, "malformed") from error
    except OSError as error:
        msg = f"The gallery {path} cannot be used: {error.strerror}; nothing was changed."
        raise GalleryError(msg) from error


def _translated(path: Path, reason: str) -> GalleryError:
    for words, meaning in _MEANINGS:
        if words in reason:
            kind = GalleryBusyError if words == "locked" else GalleryError
            return kind(f"The gallery {path} {meaning}.")
    return GalleryError(f"The gallery {path} cannot be used: {reason}.")


def fetch(connection: sqlite3.Connection, query: str, values: tuple[object, ...], *kinds: type) -> list[Any]:
    """All rows of a query, whose columns have to be of these kinds: damage may turn a blob into a number.

    Raises:
        GalleryError: a value is of another kind.
    """
    rows = connection.execute(query, values).fetchall()
    if not all(type(value) is kind for row in rows for value, kind in zip(row, kinds, strict=True)):
        msg = "The gallery is damaged: a value is of the wrong kind; restore it from a copy."
        raise GalleryError(msg)
    return rows


def sync_folder(folder: Path) -> None:
    """Make a new name in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
