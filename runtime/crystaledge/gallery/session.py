"""Transactions of one open gallery, each with the gallery's time, and the cleaning of its file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from crystaledge.gallery.audit import AuditTrail
from crystaledge.gallery.connection import clear_errors, writing
from crystaledge.gallery.errors import GalleryError
from crystaledge.gallery.header import Header
from crystaledge.gallery.people import PeopleTable
from crystaledge.gallery.times import utc_text, utc_time

Clock = Callable[[], datetime]
"""Gives an aware time."""


class Session:
    """One connection to a gallery; all that it raises is one clear line."""

    def __init__(self, path: Path, connection: sqlite3.Connection, header: Header, now: Clock) -> None:
        self.path = path
        self.people = PeopleTable(connection, header)
        self.trail = AuditTrail(connection, header.keys.audit)
        self._connection = connection
        self._now = now

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def time(self, now: datetime | None = None) -> datetime:
        """The time given, or the clock's; the latest that was ever seen, where that is later. In a transaction."""
        clock = utc_time(utc_text(self._now() if now is None else now))
        return max(clock, utc_time(self.trail.progress().latest))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Several queries that see one state of the file."""
        with clear_errors(self.path):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("COMMIT")

    @contextmanager
    def writing(self, now: datetime | None = None) -> Iterator[datetime]:
        """All or nothing; gives the time, behind which the gallery does not go back any more."""
        with clear_errors(self.path), writing(self._connection):
            at, progress = self.time(now), self.trail.progress()
            if utc_text(at) > progress.latest:
                self.trail.write_progress(replace(progress, latest=utc_text(at)))
            yield at

    def note_time(self) -> None:
        """Make the file remember that it is as late as this."""
        with self.writing():
            pass

    def clean(self) -> None:
        """Write the file anew, if bytes of somebody who is gone may be left in it.

        `secure_delete` overwrites deleted rows, but not every copy that SQLite makes when it moves rows
        between pages: of 1998 deletions from tables of up to 2000 people, 7 left bytes behind (3.40.1).

        Raises:
            GalleryError: the file could not be written; the next opening tries again.
        """
        with self.reading():
            residue = self.trail.progress().residue
        if not residue:
            return
        with clear_errors(self.path):
            try:
                self._connection.execute("VACUUM")
                with writing(self._connection):
                    self.trail.clear_residue(residue)
            except sqlite3.Error as error:
                msg = f"The person is forgotten, but deleted bytes may be left in {self.path}: {error}; open it again."
                raise GalleryError(msg) from error
