"""The master key of a gallery: from a file, or from the environment; never in the database."""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crystaledge.gallery.connection import sync_folder
from crystaledge.gallery.errors import GalleryError

KEY_VARIABLE = "CRYSTALEDGE_GALLERY_KEY"
KEY_BYTES = 32
_LONGEST_FILE = 1024
_FEWEST_DIFFERENT_BYTES = 8
"""32 random bytes have fewer different ones than this with a probability below 1e-30."""
_FORMS = "expected 32 random bytes: raw, as 64 hexadecimal digits, or in base64"


@dataclass(frozen=True, slots=True)
class MasterKey:
    """32 secret bytes, which no message and no representation shows."""

    secret: bytes = field(repr=False)


def find_master_key(key_file: Path | None, environment: Mapping[str, str]) -> MasterKey:
    """The key of a file, else that of the environment variable CRYSTALEDGE_GALLERY_KEY.

    Raises:
        GalleryError: there is neither, others may read the file, or it holds no key.
    """
    if key_file is not None:
        return read_key_file(key_file)
    text = environment.get(KEY_VARIABLE, "")
    if not text.strip():
        msg = (
            f"The gallery's master key is missing: give --key-file FILE or set {KEY_VARIABLE}; "
            "a new key is made by: python -m crystaledge.gallery.new_key FILE"
        )
        raise GalleryError(msg)
    return parse_key(os.fsencode(text.strip()), where=f"The environment variable {KEY_VARIABLE}")


def read_key_file(path: Path) -> MasterKey:
    """The key in a file.

    Raises:
        GalleryError: the file cannot be read, others may read it, or it holds no key.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(_LONGEST_FILE + 1)
    except OSError as error:
        msg = f"The key file {path} cannot be read: {error.strerror}; give a file with the gallery's master key."
        raise GalleryError(msg) from error
    if stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IRWXO:
        msg = f"Everybody on this machine may use the key file {path}; make it private first: chmod 600 {path}"
        raise GalleryError(msg)
    return parse_key(data, where=f"The key file {path}")


def parse_key(data: bytes, *, where: str) -> MasterKey:
    """The key in raw bytes, hexadecimal digits or base64.

    Raises:
        GalleryError: it is none of these, or was plainly not drawn at random.
    """
    secret = data if len(data) == KEY_BYTES else _decoded(data.strip())
    if secret is None or len(secret) != KEY_BYTES:
        msg = f"{where} holds no key; {_FORMS}."
        raise GalleryError(msg)
    if all(0x20 <= byte < 0x7F for byte in secret) or len(set(secret)) < _FEWEST_DIFFERENT_BYTES:
        # A passphrase, or 16 bytes written as 32 digits: far fewer than 256 bits.
        msg = f"{where} holds text or a pattern where a key should be; {_FORMS}."
        raise GalleryError(msg)
    return MasterKey(secret)


def create_key_file(path: Path) -> MasterKey:
    """Write a new random key in base64 to a new file that its owner alone may read.

    Raises:
        GalleryError: the file exists, or cannot be written.
    """
    secret = secrets.token_bytes(KEY_BYTES)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        msg = f"{path} exists already; a key is never overwritten, since all that it opens would be lost."
        raise GalleryError(msg) from error
    except OSError as error:
        msg = f"The key file {path} cannot be written: {error.strerror}."
        raise GalleryError(msg) from error
    try:
        _write_out(handle, base64.b64encode(secret) + b"\n")
        sync_folder(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        msg = f"The key file {path} cannot be written: {error.strerror}."
        raise GalleryError(msg) from error
    return MasterKey(secret)


def _write_out(handle: int, data: bytes) -> None:
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _decoded(text: bytes) -> bytes | None:
    if re.fullmatch(rb"[0-9A-Fa-f]{64}", text):
        return bytes.fromhex(text.decode("ascii"))
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
