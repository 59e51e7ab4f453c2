"""Encryption: what was sealed opens in its place with its key, and nowhere else."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.gallery.errors import GalleryError
from crystaledge.gallery.key import MasterKey
from crystaledge.gallery.sealed import Keyring, Place, canonical, seal, tag, unseal
from tests.runtime.gallery.galleries import KEY, MODEL
from tests.support.messages import message_of

PLACE = Place(gallery_id=b"g" * 16, model=MODEL, subject="5a" * 16, expires_at="2030")
DATA_KEY = bytes(range(32))


def hkdf_sha256(secret: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 as it is written down there."""
    extracted = hmac.new(salt, secret, hashlib.sha256).digest()
    output, block = b"", b""
    for count in range(1, -(-length // 32) + 1):
        block = hmac.new(extracted, block + info + bytes([count]), hashlib.sha256).digest()
        output += block
    return output[:length]


def test_subkeys_are_those_of_rfc_5869() -> None:
    keys = Keyring.derive(KEY, b"salt" * 4)
    expected = hkdf_sha256(KEY.secret, salt=b"salt" * 4, info=b"crystaledge gallery 1", length=128)
    assert keys.wrap + keys.lookup + keys.audit + keys.check == expected
    assert repr(keys) == "Keyring()"


def test_galleries_and_keys_have_nothing_in_common() -> None:
    rings = [Keyring.derive(k, g) for k in (KEY, MasterKey(bytes(range(32)))) for g in (b"a" * 16, b"b" * 16)]
    keys = [key for ring in rings for key in (ring.wrap, ring.lookup, ring.audit, ring.check)]
    assert len(set(keys)) == len(keys) == 16


@given(st.binary(max_size=100), st.binary(max_size=50))
def test_what_was_sealed_opens(plain: bytes, place: bytes) -> None:
    sealed = seal(DATA_KEY, plain, place)
    assert unseal(DATA_KEY, sealed, place) == plain
    assert len(sealed) == 12 + len(plain) + 16
    assert seal(DATA_KEY, plain, place) != sealed


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_refused(position: int, change: int) -> None:
    sealed = bytearray(seal(DATA_KEY, b"a template", b"place"))
    sealed[position % len(sealed)] ^= change
    with pytest.raises(GalleryError) as raised:
        unseal(DATA_KEY, bytes(sealed), b"place")
    assert "changed or damaged" in message_of(raised)


@pytest.mark.parametrize("length", range(0, 28, 3))
def test_what_is_too_short_is_refused(length: int) -> None:
    with pytest.raises(GalleryError):
        unseal(DATA_KEY, seal(DATA_KEY, b"", b"")[:length], b"")


@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param(replace(PLACE, gallery_id=b"h" * 16), id="gallery"),
        pytest.param(replace(PLACE, model=replace(MODEL, checkpoint_sha256="cd" * 32)), id="checkpoint"),
        pytest.param(replace(PLACE, model=replace(MODEL, system="other")), id="system"),
        pytest.param(replace(PLACE, model=replace(MODEL, dimensions=9)), id="dimensions"),
        pytest.param(replace(PLACE, subject="5b" * 16), id="subject"),
        pytest.param(replace(PLACE, expires_at="2031"), id="expiry"),
    ],
)
def test_a_record_opens_in_no_other_place(elsewhere: Place) -> None:
    sealed = seal(DATA_KEY, b"a template", PLACE.associated_data("template", "ada"))
    assert unseal(DATA_KEY, sealed, PLACE.associated_data("template", "ada")) == b"a template"
    places = (elsewhere.associated_data("template", "ada"), PLACE.associated_data("template", "bob"))
    for place in (*places, PLACE.associated_data("consent", "ada")):
        with pytest.raises(GalleryError):
            unseal(DATA_KEY, sealed, place)


VALUES = st.lists(st.one_of(st.text(), st.integers()), max_size=4)


@given(VALUES, VALUES)
def test_different_values_have_different_bytes(one: list[str | int], other: list[str | int]) -> None:
    assert (canonical(*one) == canonical(*other)) == (one == other)


def test_a_tag_is_hmac_sha256() -> None:
    # RFC 4231, test case 2.
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert tag(b"Jefe", b"what do ya want for nothing?").hex() == expected
