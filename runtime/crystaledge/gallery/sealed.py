"""Encryption of people at rest: AES-256-GCM, one random key a person, wrapped by the master key.

Each gallery derives its own subkeys from the master key (HKDF, RFC 5869), so that two galleries under
one key cannot exchange rows. Associated data binds every ciphertext to its gallery, model, person and
expiry: a row that is copied, or kept longer than was agreed, does not open. To destroy the wrapped
key is to destroy the person's data (crypto-shredding), whatever else of the row might be left.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crystaledge.gallery.errors import GalleryError
from crystaledge.gallery.key import KEY_BYTES, MasterKey
from crystaledge.gallery.template import ModelFingerprint

_NONCE_BYTES = 12
"""96 random bits: NIST SP 800-38D allows 2**32 seals under one key, far more than people or records."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """Subkeys of one gallery, 32 bytes each."""

    wrap: bytes = field(repr=False)
    """Wraps the keys of people."""
    lookup: bytes = field(repr=False)
    """Finds a name without keeping it."""
    audit: bytes = field(repr=False)
    """Chains the audit."""
    check: bytes = field(repr=False)
    """Tells a wrong master key from a damaged file."""

    @classmethod
    def derive(cls, master: MasterKey, gallery_id: bytes) -> Keyring:
        """The subkeys of the gallery of this random id."""
        kdf = HKDF(algorithm=SHA256(), length=4 * KEY_BYTES, salt=gallery_id, info=b"crystaledge gallery 1")
        keys = kdf.derive(master.secret)
        wrap, lookup, audit, check = (keys[at : at + KEY_BYTES] for at in range(0, len(keys), KEY_BYTES))
        return cls(wrap=wrap, lookup=lookup, audit=audit, check=check)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a ciphertext belongs; it opens nowhere else."""

    gallery_id: bytes
    model: ModelFingerprint
    subject: str
    expires_at: str

    def associated_data(self, part: str, name: str = "") -> bytes:
        """The place of one part of a row, without ambiguity."""
        model = self.model
        return canonical(
            part,
            self.gallery_id.hex(),
            model.system,
            model.checkpoint_sha256,
            model.dimensions,
            self.subject,
            self.expires_at,
            name,
        )


def canonical(*values: str | int) -> bytes:
    """Values as bytes that no other values give."""
    return json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def tag(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA256, 32 bytes."""
    return hmac.new(key, data, hashlib.sha256).digest()


def same(one: bytes, other: bytes) -> bool:
    """Comparison whose time says nothing about the bytes."""
    return hmac.compare_digest(one, other)


def seal(key: bytes, plain: bytes, associated_data: bytes) -> bytes:
    """Encrypt under a fresh nonce, which stands in front."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, associated_data)


def unseal(key: bytes, sealed: bytes, associated_data: bytes) -> bytes:
    """Decrypt what `seal` gave.

    Raises:
        GalleryError: it was changed, or belongs elsewhere.
    """
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], associated_data)
    except (InvalidTag, ValueError) as error:
        msg = "A record of the gallery was changed or damaged, and is refused; restore the file from a copy."
        raise GalleryError(msg) from error
