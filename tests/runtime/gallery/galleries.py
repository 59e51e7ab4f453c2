"""People who do not exist, and galleries for them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from crystaledge.gallery.consent import Consent
from crystaledge.gallery.key import MasterKey
from crystaledge.gallery.store import GalleryStore
from crystaledge.gallery.template import ModelFingerprint, Template

KEY = MasterKey(bytes(range(100, 132)))
MODEL = ModelFingerprint(system="mnemosyne", checkpoint_sha256="ab" * 32, dimensions=8)
START = datetime(2030, 5, 6, 7, 8, 9, tzinfo=timezone.utc)
CONSENT = Consent(purpose="opening the door", given_at=START - timedelta(days=1), text_sha256="0f" * 32)
RETENTION = timedelta(days=30)

SECRET_COLUMNS = "lookup, wrapped_key, sealed_name, sealed_consent, sealed_template"
_WINDOW = 12
"""Bytes that count as a trace; the tests' random bytes do not agree in so many by chance."""


@dataclass
class Clock:
    """A clock that is set by hand."""

    time: datetime = field(default=START)

    def __call__(self) -> datetime:
        return self.time

    def advance(self, delta: timedelta) -> None:
        """Go on, or back."""
        self.time += delta


def template(seed: int) -> Template:
    """A template that no other seed gives."""
    random = np.random.default_rng(seed)
    identity = random.normal(size=MODEL.dimensions).astype(np.float32)
    return Template(identity=identity, log_variance=float(random.normal()), observations=seed % 50 + 1)


def opened(path: Path, clock: Clock | None = None, *, create: bool = True, busy_timeout_s: float = 5.0) -> GalleryStore:
    """The gallery at a path."""
    now = Clock() if clock is None else clock
    return GalleryStore.open(path, KEY, MODEL, create=create, now=now, busy_timeout_s=busy_timeout_s)


def enrol(store: GalleryStore, *names: str) -> None:
    """Enrol people with templates of their names' own."""
    for name in names:
        store.enroll(name, template(seed_of(name)), CONSENT, retention=RETENTION)


def seed_of(name: str) -> int:
    """A number for a name."""
    return int.from_bytes(name.encode()[:6], "big")


def equal(one: Template, other: Template) -> bool:
    """Whether two templates agree to the bit."""
    return one.to_bytes() == other.to_bytes()


def secrets_of(path: Path, subject: str) -> tuple[bytes, ...]:
    """What the file keeps of a person, as it stands there."""
    with closing(sqlite3.connect(path)) as connection:
        [row] = connection.execute(f"SELECT {SECRET_COLUMNS} FROM people WHERE subject = ?", (subject,)).fetchall()
    return tuple(row)


def traces(path: Path, secrets: tuple[bytes, ...]) -> int:
    """How many windows of secret bytes are found in any file of the database."""
    files = [file.read_bytes() for file in sorted(path.parent.glob(path.name + "*"))]
    assert files, "no file of the database is there to be searched"
    windows = {s[at : at + _WINDOW] for s in secrets for at in range(0, len(s) - _WINDOW + 1, 4)}
    return sum(content[at : at + _WINDOW] in windows for content in files for at in range(len(content)))


def tamper(path: Path, *statements: str) -> None:
    """Change a database as somebody without the key could."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount != 0, statement
        connection.commit()
