"""The table of people: every row is sealed under a key of its own, and found by a keyed hash of the name."""

from __future__ import annotations

import json
import secrets
import sqlite3
from dataclasses import dataclass, replace
from datetime import datetime

from crystaledge.gallery.connection import fetch
from crystaledge.gallery.consent import Consent
from crystaledge.gallery.errors import GalleryError
from crystaledge.gallery.header import Header
from crystaledge.gallery.key import KEY_BYTES
from crystaledge.gallery.sealed import Place, same, seal, tag, unseal
from crystaledge.gallery.template import Template
from crystaledge.gallery.times import utc_text, utc_time

_TABLES = (
    """
CREATE TABLE people (
    number INTEGER PRIMARY KEY,
    subject TEXT NOT NULL UNIQUE,
    lookup BLOB NOT NULL UNIQUE,
    expires_at TEXT NOT NULL,
    wrapped_key BLOB NOT NULL,
    sealed_name BLOB NOT NULL,
    sealed_consent BLOB NOT NULL,
    sealed_template BLOB NOT NULL
)""",
    "CREATE INDEX people_by_expiry ON people (expires_at)",
)

_COLUMNS = "subject, lookup, expires_at, wrapped_key, sealed_name, sealed_consent, sealed_template"
_KINDS = (str, bytes, str, bytes, bytes, bytes, bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who is enrolled."""

    name: str
    subject: str
    """The name's stand-in in the audit, 32 random hexadecimal digits."""
    template: Template
    consent: Consent
    enrolled_at: datetime
    expires_at: datetime
    """The first moment at which this person is forgotten."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A row as it stands in the file, in the order of `_COLUMNS`."""

    subject: str
    lookup: bytes
    expires_at: str
    wrapped_key: bytes
    sealed_name: bytes
    sealed_consent: bytes
    sealed_template: bytes


class PeopleTable:
    """People of one open gallery; what writes stands inside a transaction of the caller's."""

    def __init__(self, connection: sqlite3.Connection, header: Header) -> None:
        self._connection = connection
        self._header = header

    def begin(self) -> None:
        """Make the table, empty."""
        for table in _TABLES:
            self._connection.execute(table)

    def add(self, person: Person) -> None:
        """Seal a person into a new row."""
        place = self._place(person.subject, utc_text(person.expires_at))
        key, name = secrets.token_bytes(KEY_BYTES), person.name
        row = (
            person.subject,
            self._lookup(name),
            place.expires_at,
            seal(self._header.keys.wrap, key, place.associated_data("key")),
            seal(key, name.encode(), place.associated_data("name")),
            seal(key, _consent_bytes(person), place.associated_data("consent", name)),
            seal(key, person.template.to_bytes(), place.associated_data("template", name)),
        )
        self._connection.execute(f"INSERT INTO people ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def remove(self, subject: str) -> None:
        """Destroy a row, with the key that opens it."""
        self._connection.execute("DELETE FROM people WHERE subject = ?", (subject,))

    def subject_of(self, name: str) -> str | None:
        """Who is enrolled under a name, if anybody."""
        query = "SELECT subject FROM people WHERE lookup = ?"
        rows = fetch(self._connection, query, (self._lookup(name),), str)
        return rows[0][0] if rows else None

    def subjects(self) -> frozenset[str]:
        """Everybody who has a row."""
        return frozenset(subject for (subject,) in fetch(self._connection, "SELECT subject FROM people", (), str))

    def expired(self, at: datetime) -> tuple[str, ...]:
        """Whose time is up.

        Raises:
            GalleryError: a row's expiry is not the one that was sealed.
        """
        query = f"SELECT {_COLUMNS} FROM people WHERE expires_at <= ? ORDER BY number"
        rows = [_Row(*values) for values in fetch(self._connection, query, (utc_text(at),), *_KINDS)]
        for row in rows:
            self._unwrap(row)  # a flipped bit must not end an enrolment early
        return tuple(row.subject for row in rows)

    def everybody(self) -> tuple[Person, ...]:
        """All people, in the order of enrolment.

        Raises:
            GalleryError: a row was changed or damaged.
        """
        rows = fetch(self._connection, f"SELECT {_COLUMNS} FROM people ORDER BY number", (), *_KINDS)
        return tuple(self._open(_Row(*values)) for values in rows)

    def _open(self, row: _Row) -> Person:
        place, key = self._place(row.subject, row.expires_at), self._unwrap(row)
        name = unseal(key, row.sealed_name, place.associated_data("name")).decode()
        if not same(row.lookup, self._lookup(name)):
            msg = f"The record {row.subject} of the gallery was changed or damaged; restore the file from a copy."
            raise GalleryError(msg)
        consent, enrolled_at = _consent(unseal(key, row.sealed_consent, place.associated_data("consent", name)))
        template = Template.from_bytes(unseal(key, row.sealed_template, place.associated_data("template", name)))
        return Person(
            name=name,
            subject=row.subject,
            template=template,
            consent=consent,
            enrolled_at=enrolled_at,
            expires_at=utc_time(row.expires_at),
        )

    def _unwrap(self, row: _Row) -> bytes:
        place = self._place(row.subject, row.expires_at)
        return unseal(self._header.keys.wrap, row.wrapped_key, place.associated_data("key"))

    def _place(self, subject: str, expires_at: str) -> Place:
        header = self._header
        return Place(gallery_id=header.gallery_id, model=header.model, subject=subject, expires_at=expires_at)

    def _lookup(self, name: str) -> bytes:
        return tag(self._header.keys.lookup, name.encode())


def _consent_bytes(person: Person) -> bytes:
    consent, ends = person.consent, person.consent.expires_at
    values = {
        "purpose": consent.purpose,
        "given_at": utc_text(consent.given_at),
        "text_sha256": consent.text_sha256,
        "expires_at": None if ends is None else utc_text(ends),
        "enrolled_at": utc_text(person.enrolled_at),
    }
    return json.dumps(values).encode()


def _consent(data: bytes) -> tuple[Consent, datetime]:
    """What `_consent_bytes` wrote; the seal vouches for its form."""
    values = json.loads(data)
    consent = Consent(
        purpose=values["purpose"], given_at=utc_time(values["given_at"]), text_sha256=values["text_sha256"]
    )
    if values["expires_at"] is not None:
        consent = replace(consent, expires_at=utc_time(values["expires_at"]))
    return consent, utc_time(values["enrolled_at"])
