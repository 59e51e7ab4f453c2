"""`crystaledge identities` and `crystaledge forget`, from the arguments on."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from crystaledge.cli.main import build_parser
from crystaledge.commands import gallery
from crystaledge.commands.gallery_verbs import FORGET, IDENTITIES, add_gallery_options
from crystaledge.errors import UsageError
from crystaledge.gallery.consent import Consent
from crystaledge.gallery.errors import GalleryError, UnknownPersonError
from crystaledge.gallery.key import create_key_file, read_key_file
from crystaledge.gallery.store import GalleryStore
from tests.runtime.gallery.galleries import MODEL, template
from tests.support.messages import message_of

NOW = datetime.now(timezone.utc)
"""The verbs go by the device's clock."""
CONSENT = Consent(purpose="opening the door", given_at=NOW - timedelta(hours=1))


def parsed(*arguments: object) -> Namespace:
    return build_parser([IDENTITIES, FORGET]).parse_args([str(argument) for argument in arguments])


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...]:
    """A gallery of two people, and the options that open it."""
    monkeypatch.delenv("CRYSTALEDGE_GALLERY_KEY", raising=False)
    key = create_key_file(tmp_path / "key")
    with GalleryStore.open(tmp_path / "people.db", key, MODEL, create=True) as store:
        store.enroll("Ada Example", template(4), CONSENT, retention=timedelta(days=30))
        store.enroll("Bo", template(11), CONSENT, retention=timedelta(days=3))
    return "--gallery-db", tmp_path / "people.db", "--key-file", tmp_path / "key"


def test_identities_are_listed(options: tuple[object, ...]) -> None:
    lines = gallery.identities(parsed("identities", *options)).text.splitlines()
    assert lines[0].split() == ["name", "observations", "enrolled", "expires", "purpose"]
    assert lines[1].startswith("Ada Example  5 ") and lines[1].endswith("  opening the door")
    assert lines[2].startswith("Bo           12 ")
    assert f"{NOW + timedelta(days=3):%Y-%m-%dT}" in lines[2]


def test_identities_as_json(options: tuple[object, ...]) -> None:
    data = gallery.identities(parsed("identities", *options, "--json")).data
    assert data["model"] == {"system": "mnemosyne", "checkpoint_sha256": "ab" * 32, "dimensions": 8}
    assert [(p["name"], p["observations"], p["purpose"]) for p in data["identities"]] == [
        ("Ada Example", 5, "opening the door"),
        ("Bo", 12, "opening the door"),
    ]
    first = data["identities"][0]
    assert datetime.fromisoformat(first["expires_at"]) - datetime.fromisoformat(first["enrolled_at"]) == timedelta(30)


def test_who_is_forgotten_is_gone_and_the_receipt_does_not_name_them(options: tuple[object, ...]) -> None:
    outcome = gallery.forget(parsed("forget", "Ada Example", *options))
    receipt = outcome.data["forgotten"]
    assert outcome.text == (
        f"forgotten: subject {receipt['subject']} at {receipt['time']}, audit hash {receipt['audit_hash']}"
    )
    assert "Ada" not in str(outcome)
    names = [p["name"] for p in gallery.identities(parsed("identities", *options)).data["identities"]]
    assert names == ["Bo"]
    gallery.forget(parsed("forget", "Bo", *options))
    assert gallery.identities(parsed("identities", *options)).text == "nobody is enrolled"


def test_an_unknown_name_is_one_line_and_status_2(options: tuple[object, ...]) -> None:
    with pytest.raises(UnknownPersonError) as raised:
        gallery.forget(parsed("forget", "Eve", *options))
    assert message_of(raised) == f"'Eve' is not enrolled in {options[1]}."
    assert raised.value.exit_status == 2


def test_the_key_may_be_in_the_environment(options: tuple[object, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    without_file = parsed("identities", *options[:2])
    with pytest.raises(GalleryError, match="master key is missing") as raised:
        gallery.identities(without_file)
    message_of(raised)
    monkeypatch.setenv("CRYSTALEDGE_GALLERY_KEY", read_key_file(Path(str(options[3]))).secret.hex())
    assert gallery.identities(without_file).data["identities"]


def test_a_gallery_has_to_be_named_only_where_it_is_needed() -> None:
    with pytest.raises(UsageError, match="--gallery-db"):
        parsed("identities")
    parser = ArgumentParser()
    add_gallery_options(parser.add_argument_group("people"))
    assert parser.parse_args([]) == Namespace(gallery_db=None, key_file=None)


def test_a_listing_creates_nothing(options: tuple[object, ...], tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(GalleryError, match="There is no gallery"):
        gallery.identities(parsed("identities", "--gallery-db", tmp_path / "none.db", *options[2:]))
    assert sorted(tmp_path.iterdir()) == before
