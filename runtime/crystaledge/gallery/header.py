"""The head of a gallery file: that it is one, whose key it needs, and which model it belongs to."""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from crystaledge.errors import ContractError
from crystaledge.gallery.connection import fetch
from crystaledge.gallery.errors import GalleryError
from crystaledge.gallery.key import MasterKey
from crystaledge.gallery.sealed import Keyring, canonical, same, tag
from crystaledge.gallery.template import ModelFingerprint

APPLICATION_ID = 0x43454447
"""`CEDG`, in SQLite's header at byte 68."""
SCHEMA_VERSION = 1

_TABLE = """
CREATE TABLE header (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    gallery_id BLOB NOT NULL,
    key_check BLOB NOT NULL,
    system TEXT NOT NULL,
    checkpoint_sha256 TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    binding BLOB NOT NULL
)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What never changes in a gallery."""

    gallery_id: bytes
    model: ModelFingerprint
    keys: Keyring

    def require(self, model: ModelFingerprint, path: Path) -> None:
        """Raise `GalleryError` unless the gallery belongs to this model."""
        if model != self.model:
            msg = (
                f"The gallery {path} belongs to the model {self.model}, this is {model}; "
                "templates cannot move between models: enrol people in a new gallery."
            )
            raise GalleryError(msg)


def write_header(connection: sqlite3.Connection, master: MasterKey, model: ModelFingerprint) -> Header:
    """Make an empty database a gallery; inside a transaction."""
    gallery_id = secrets.token_bytes(16)
    keys = Keyring.derive(master, gallery_id)
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    connection.execute(_TABLE)
    connection.execute(
        "INSERT INTO header VALUES (1, ?, ?, ?, ?, ?, ?)",
        (
            gallery_id,
            _key_check(keys),
            model.system,
            model.checkpoint_sha256,
            model.dimensions,
            _binding(keys, model),
        ),
    )
    return Header(gallery_id=gallery_id, model=model, keys=keys)


def read_header(connection: sqlite3.Connection, path: Path, master: MasterKey) -> Header:
    """The header, checked.

    Raises:
        GalleryError: the file is no gallery, of another version, under another key, or damaged.
    """
    _require_kind(connection, path)
    query = "SELECT gallery_id, key_check, system, checkpoint_sha256, dimensions, binding FROM header"
    rows = fetch(connection, query, (), bytes, bytes, str, str, int, bytes)
    if len(rows) != 1:
        raise _damaged(path)
    gallery_id, key_check, system, checkpoint, dimensions, binding = rows[0]
    keys = Keyring.derive(master, gallery_id)
    if not same(key_check, _key_check(keys)):
        msg = f"This is not the key of the gallery {path}; give the master key that it was made with."
        raise GalleryError(msg)
    try:
        model = ModelFingerprint(system=system, checkpoint_sha256=checkpoint, dimensions=dimensions)
    except ContractError as error:
        raise _damaged(path) from error
    if not same(binding, _binding(keys, model)):
        raise _damaged(path)
    return Header(gallery_id=gallery_id, model=model, keys=keys)


def _require_kind(connection: sqlite3.Connection, path: Path) -> None:
    [(application,)] = fetch(connection, "PRAGMA application_id", (), int)
    [(version,)] = fetch(connection, "PRAGMA user_version", (), int)
    if application != APPLICATION_ID:
        msg = f"The file {path} is no gallery, or was emptied; give one that `crystaledge enroll` wrote, or a copy."
        raise GalleryError(msg)
    if version != SCHEMA_VERSION:
        msg = f"The gallery {path} has version {version}; this package reads {SCHEMA_VERSION}. Update crystaledge."
        raise GalleryError(msg)


def _key_check(keys: Keyring) -> bytes:
    return tag(keys.check, b"key")


def _binding(keys: Keyring, model: ModelFingerprint) -> bytes:
    return tag(keys.check, canonical("model", model.system, model.checkpoint_sha256, model.dimensions))


def _damaged(path: Path) -> GalleryError:
    return GalleryError(f"The header of the gallery {path} was changed or damaged; restore the file from a copy.")
