"""Who was enrolled, matched, forgotten or expired, and when: append-only, chained, without names.

Each line carries the HMAC of its content and of the line before, under a key of the gallery; the
progress row holds the last one under a seal of its own. So a line that is changed, removed, added or
cut off the end is found by anybody who has the key, and cannot be hidden without it (Schneier and
Kelsey, "Secure audit logs to support computer forensics", 1999). A whole file that is put back to an
earlier day is found by comparing with a receipt.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from crystaledge.gallery.audit_line import ENDS, Action, AuditLine, Receipt
from crystaledge.gallery.connection import fetch
from crystaledge.gallery.errors import GalleryError
from crystaledge.gallery.sealed import canonical, same, tag
from crystaledge.gallery.times import utc_text

_TABLES = (
    """
CREATE TABLE audit (
    line INTEGER PRIMARY KEY,
    time TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash BLOB NOT NULL
)""",
    "CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'append-only'); END",
    "CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'append-only'); END",
    """
CREATE TABLE progress (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL,
    latest TEXT NOT NULL,
    lines INTEGER NOT NULL,
    hash BLOB NOT NULL,
    residue INTEGER NOT NULL,
    seal BLOB NOT NULL
)""",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a gallery has come."""

    version: int = 0
    """Grows whenever somebody is enrolled or gone."""
    latest: str
    """The latest time that was ever seen; a clock that jumps back does not lead behind it."""
    lines: int = 0
    """Length of the audit."""
    hash: bytes = bytes(32)
    """Of the audit's last line."""
    residue: int = 0
    """The version whose deletion may have left bytes in the file, 0 where there is none."""


class AuditTrail:
    """The audit of one open gallery; what writes stands inside a transaction of the caller's."""

    def __init__(self, connection: sqlite3.Connection, key: bytes) -> None:
        self._connection = connection
        self._key = key

    def begin(self, time: datetime) -> None:
        """Make the tables, empty."""
        for table in _TABLES:
            self._connection.execute(table)
        self.write_progress(Progress(latest=utc_text(time)))

    def progress(self) -> Progress:
        """How far the gallery has come.

        Raises:
            GalleryError: the row was changed by somebody without the key.
        """
        query = "SELECT version, latest, lines, hash, residue, seal FROM progress"
        rows = fetch(self._connection, query, (), int, str, int, bytes, int, bytes)
        if len(rows) == 1:
            *values, seal = rows[0]
            progress = Progress(**dict(zip(("version", "latest", "lines", "hash", "residue"), values, strict=True)))
            if same(seal, self._seal(progress)):
                return progress
        msg = "The gallery's record of its progress was changed or damaged; restore the file from a copy."
        raise GalleryError(msg)

    def write_progress(self, progress: Progress) -> None:
        """Set how far the gallery has come."""
        p = progress
        self._connection.execute(
            "INSERT OR REPLACE INTO progress VALUES (1, ?, ?, ?, ?, ?, ?)",
            (p.version, p.latest, p.lines, p.hash, p.residue, self._seal(p)),
        )

    def append(self, action: Action, subject: str, detail: str, time: datetime) -> Receipt:
        """Add a line, and count the version on where the action changes who is enrolled."""
        before = self.progress()
        number, when = before.lines + 1, utc_text(time)
        link = self._link(before.hash, number, when, action.value, subject, detail)
        self._connection.execute(
            "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?)", (number, when, action.value, subject, detail, link)
        )
        version = before.version + (action is not Action.MATCH)
        residue = version if action.value in ENDS else before.residue
        self.write_progress(
            Progress(version=version, latest=max(before.latest, when), lines=number, hash=link, residue=residue)
        )
        return Receipt(subject=subject, time=time, audit_hash=link.hex())

    def clear_residue(self, residue: int) -> None:
        """Note that the file was cleaned after this version, unless another deletion came in between."""
        progress = self.progress()
        if progress.residue == residue:
            self.write_progress(replace(progress, residue=0))

    def lines(self) -> Iterator[AuditLine]:
        """All lines, oldest first, as they stand; see `verify`."""
        for number, time, action, subject, detail, link in self._rows():
            yield AuditLine(line=number, time=time, action=action, subject=subject, detail=detail, hash=link.hex())

    def verify(self) -> frozenset[str]:
        """Check every line, and return the subjects that are enrolled by it.

        Raises:
            GalleryError: a line was changed, removed or added; the message says where.
        """
        progress, above, count = self.progress(), bytes(32), 0
        enrolled: set[str] = set()
        for number, time, action, subject, detail, link in self._rows():
            count += 1
            if number != count or not same(link, self._link(above, number, time, action, subject, detail)):
                msg = f"Line {count} of the gallery's audit was changed, or one was removed; do not trust this file."
                raise GalleryError(msg)
            above = link
            if action == Action.ENROL.value:
                enrolled.add(subject)
            elif action in ENDS:
                enrolled.discard(subject)
        if count != progress.lines or not same(above, progress.hash):
            msg = f"The gallery's audit has {count} lines of {progress.lines}; do not trust this file."
            raise GalleryError(msg)
        return frozenset(enrolled)

    def _rows(self) -> list[tuple[int, str, str, str, str, bytes]]:
        query = "SELECT line, time, action, subject, detail, hash FROM audit ORDER BY line"
        rows: list[tuple[int, str, str, str, str, bytes]] = fetch(
            self._connection, query, (), int, str, str, str, str, bytes
        )
        return rows

    def _link(self, above: bytes, number: int, time: str, action: str, subject: str, detail: str) -> bytes:
        return tag(self._key, canonical("line", above.hex(), number, time, action, subject, detail))

    def _seal(self, p: Progress) -> bytes:
        return tag(self._key, canonical("progress", p.version, p.latest, p.lines, p.hash.hex(), p.residue))
