"""Opening a gallery, and everything that one refuses; its life is told in `test_store_machine`."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from crystaledge.errors import ContractError, CrystalEdgeError, UsageError
from crystaledge.gallery.errors import GalleryError
from crystaledge.gallery.key import MasterKey
from crystaledge.gallery.store import GalleryStore
from crystaledge.gallery.template import ModelFingerprint
from tests.runtime.gallery.galleries import (
    CONSENT,
    KEY,
    MODEL,
    RETENTION,
    START,
    Clock,
    enrol,
    equal,
    opened,
    tamper,
    template,
)
from tests.support.messages import message_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A gallery of two people."""
    with opened(tmp_path / "gallery.db") as store:
        enrol(store, "ada", "bob")
    return tmp_path / "gallery.db"


def refusal(use: Callable[[], object], kind: type[CrystalEdgeError] = GalleryError) -> str:
    """The one line in which something is refused."""
    with pytest.raises(kind) as raised:
        use()
    return message_of(raised)


def test_who_was_enrolled_is_there_after_reopening(tmp_path: Path) -> None:
    with opened(tmp_path / "gallery.db") as store:
        receipt = store.enroll("Zoe\u0308", template(3), CONSENT, retention=RETENTION)
    with opened(tmp_path / "gallery.db", create=False) as store:
        [person] = store.people()
    assert (person.name, person.subject, person.consent) == ("Zo\u00eb", receipt.subject, CONSENT)
    assert (person.enrolled_at, person.expires_at) == (START, START + RETENTION)
    assert equal(person.template, template(3))


def test_a_consents_own_end_is_kept(path: Path) -> None:
    consent = replace(CONSENT, expires_at=START + timedelta(hours=1))
    with opened(path) as store:
        store.enroll("eve", template(1), consent)
        assert store.people()[-1].consent == consent
        assert store.people()[-1].expires_at == consent.expires_at


def test_a_new_gallery_is_private_whatever_the_mask(path: Path) -> None:
    for file in path.parent.glob("*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not list(path.parent.glob(".creating.*"))


def test_an_existing_gallery_is_not_made_anew(path: Path) -> None:
    with opened(path, create=True) as store:
        assert list(store.templates()) == ["ada", "bob"]


def test_there_is_none_where_none_is_to_be_made(tmp_path: Path) -> None:
    line = refusal(lambda: opened(tmp_path / "gallery.db", create=False))
    assert line == f"There is no gallery {tmp_path}/gallery.db; it is made when the first person is enrolled."
    assert list(tmp_path.iterdir()) == []
    assert "cannot be used: No such file" in refusal(lambda: opened(tmp_path / "nowhere" / "gallery.db"))
    assert "There is no gallery" in refusal(lambda: opened(tmp_path))


def test_a_journal_of_a_gallery_that_is_gone_is_not_played_into_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "gallery.db-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
    assert "Remove it first" in refusal(lambda: opened(tmp_path / "gallery.db"))
    (tmp_path / "gallery.db-journal").write_bytes(b"")
    opened(tmp_path / "gallery.db").close()


def test_a_wrong_key_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    other = MasterKey(bytes(range(32)))
    late = Clock(START + 2 * RETENTION)
    for use in (
        lambda: GalleryStore.open(path, other, MODEL, create=True, now=late),
        lambda: GalleryStore.administer(path, other, now=late),
    ):
        assert refusal(use) == (
            f"This is not the key of the gallery {path}; give the master key that it was made with."
        )
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(replace(MODEL, checkpoint_sha256="cd" * 32), id="checkpoint"),
        pytest.param(replace(MODEL, dimensions=9), id="dimensions"),
        pytest.param(replace(MODEL, system="another"), id="system"),
    ],
)
def test_another_model_is_refused(path: Path, model: ModelFingerprint) -> None:
    before = path.read_bytes()
    late = Clock(START + 2 * RETENTION)
    line = refusal(lambda: GalleryStore.open(path, KEY, model, create=True, now=late))
    assert line == (
        f"The gallery {path} belongs to the model mnemosyne abababababab (8 dimensions), this is {model}; "
        "templates cannot move between models: enrol people in a new gallery."
    )
    assert path.read_bytes() == before


def test_administration_needs_no_model(path: Path) -> None:
    with GalleryStore.administer(path, KEY, now=Clock()) as store:
        assert store.model == MODEL
        assert list(store.templates()) == ["ada", "bob"]


@pytest.mark.parametrize(
    ("use", "kind", "expected"),
    [
        pytest.param(lambda s: enrol(s, "ada"), GalleryError, "'ada' is enrolled in", id="enrolled-twice"),
        pytest.param(lambda s: enrol(s, "a\nb"), UsageError, "The name 'a\\nb' is refused", id="two-lines"),
        pytest.param(lambda s: s.enroll("eve", template(1), CONSENT), UsageError, "needs an end", id="no-end"),
        pytest.param(
            lambda s: s.enroll("eve", replace(template(1), identity=np.ones(9, np.float32)), CONSENT),
            ContractError,
            "The identity has 9 dimensions",
            id="another-size",
        ),
        pytest.param(lambda s: s.forget("eve"), GalleryError, "'eve' is not enrolled in", id="forget-nobody"),
        pytest.param(
            lambda s: s.record_match("eve", score=1.0, track=0),
            GalleryError,
            "'eve' is not enrolled",
            id="match-nobody",
        ),
        pytest.param(lambda s: s.purge(datetime(2030, 1, 1)), UsageError, "has no time zone", id="naive-time"),
    ],
)
def test_what_is_refused_changes_nothing(
    path: Path, use: Callable[[GalleryStore], object], kind: type[CrystalEdgeError], expected: str
) -> None:
    with opened(path) as store:
        before = path.read_bytes()
        assert expected in refusal(lambda: use(store), kind)
        assert path.read_bytes() == before
        assert store.verify_audit() == 2


def test_nobody_comes_back_when_the_clock_jumps_back(path: Path) -> None:
    clock = Clock(START + RETENTION)
    with opened(path, clock) as store:
        assert store.templates() == {}
        clock.advance(-2 * RETENTION)
        assert store.templates() == {}
        with pytest.raises(UsageError, match="the latest time that it has seen"):
            store.enroll("eve", template(1), replace(CONSENT, expires_at=START + RETENTION))
    with opened(path, Clock(START)) as store:
        assert store.templates() == {}


def test_an_opening_alone_makes_the_time_go_on(path: Path) -> None:
    opened(path, Clock(START + timedelta(days=2))).close()
    with opened(path, Clock(START)) as store:
        assert store.forget("ada").time == START + timedelta(days=2)


def test_a_gallery_closed_twice_is_closed_and_a_closed_one_is_a_mistake(path: Path) -> None:
    store = opened(path)
    store.close()
    store.close()
    with pytest.raises(sqlite3.ProgrammingError):
        store.templates()


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        pytest.param("UPDATE header SET dimensions = 9", "The header", id="dimensions"),
        pytest.param("UPDATE header SET checkpoint_sha256 = 'no'", "The header", id="no-sha256"),
        pytest.param("UPDATE header SET gallery_id = randomblob(16)", "not the key", id="id"),
        pytest.param("DELETE FROM header", "The header", id="no-header"),
        pytest.param("PRAGMA user_version = 2", "has version 2; this package reads 1", id="version"),
        pytest.param("PRAGMA application_id = 7", "is no gallery", id="another-application"),
        pytest.param("DROP TABLE people", "cannot be used: no such table", id="no-people"),
        pytest.param("UPDATE people SET expires_at = '2000' WHERE number = 1", "changed or damaged", id="ended-early"),
    ],
)
def test_a_file_that_was_meddled_with_does_not_open(path: Path, statement: str, expected: str) -> None:
    tamper(path, statement)
    assert expected in refusal(lambda: opened(path))


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE people SET expires_at = '2999' WHERE number = 1", id="kept-longer"),
        pytest.param("UPDATE people SET lookup = randomblob(32) WHERE number = 1", id="lookup"),
        pytest.param("UPDATE people SET subject = 'x' WHERE number = 1", id="subject"),
        pytest.param("UPDATE people SET wrapped_key = 5 WHERE number = 1", id="kind"),
        *(
            pytest.param(f"UPDATE people SET {c} = (SELECT {c} FROM people WHERE number = 2) WHERE number = 1", id=c)
            for c in ("wrapped_key", "sealed_name", "sealed_consent", "sealed_template")
        ),
    ],
)
def test_a_row_that_was_meddled_with_is_refused(path: Path, statement: str) -> None:
    tamper(path, statement)
    with opened(path) as store:
        assert "damaged" in refusal(store.templates)


def test_a_row_of_another_gallery_is_refused(path: Path, tmp_path: Path) -> None:
    with opened(tmp_path / "other.db") as store:
        enrol(store, "eve")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ATTACH ? AS other", (str(tmp_path / "other.db"),))
        connection.execute("DELETE FROM people")
        connection.execute("INSERT INTO people SELECT * FROM other.people")
        connection.commit()
    with opened(path) as store:
        assert "damaged" in refusal(store.templates)
