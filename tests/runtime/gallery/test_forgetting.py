"""After `forget` nothing of a person is in any file of the gallery: not a name, a template, or a key."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from crystaledge.gallery.consent import Consent
from tests.runtime.gallery.galleries import (
    CONSENT,
    RETENTION,
    START,
    Clock,
    enrol,
    opened,
    secrets_of,
    seed_of,
    template,
    traces,
)

PEOPLE = tuple(f"person with a long name {number}" for number in range(30))
GONE = PEOPLE[::5]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Bytes of a gallery of thirty people."""
    path = tmp_path_factory.mktemp("sound") / "gallery.db"
    with opened(path) as store:
        enrol(store, *PEOPLE)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, sound: bytes) -> Path:
    """The gallery of these people."""
    (tmp_path / "gallery.db").write_bytes(sound)
    return tmp_path / "gallery.db"


def secrets_by_name(path: Path) -> dict[str, tuple[bytes, ...]]:
    """What the file keeps of everybody."""
    with opened(path) as store:
        return {person.name: secrets_of(path, person.subject) for person in store.people()}


def test_nothing_is_readable_before_forgetting(path: Path) -> None:
    plain = tuple(secret for name in PEOPLE for secret in (name.encode(), template(seed_of(name)).to_bytes()[16:]))
    assert traces(path, (*plain, CONSENT.purpose.encode())) == 0


def test_nothing_is_left_after_forgetting(path: Path) -> None:
    secrets = secrets_by_name(path)
    assert all(traces(path, secrets[name]) for name in PEOPLE), "the search does not find what is there"
    with opened(path) as store:
        for name in GONE:
            store.forget(name)
            assert traces(path, secrets[name]) == 0
        assert set(store.templates()) == set(PEOPLE) - set(GONE)
    assert all(traces(path, secrets[name]) for name in set(PEOPLE) - set(GONE))


def test_nothing_is_left_after_the_time_is_up(path: Path) -> None:
    secrets = secrets_by_name(path)
    clock = Clock()
    clock.advance(RETENTION)
    with opened(path, clock) as store:
        assert store.templates() == {}
    assert traces(path, tuple(secret for secrets_of_one in secrets.values() for secret in secrets_of_one)) == 0


def test_a_deletion_without_care_would_be_found(path: Path) -> None:
    secrets = secrets_by_name(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA secure_delete=OFF")
        connection.execute("DELETE FROM people")
        connection.commit()
    assert traces(path, secrets[PEOPLE[0]])


def test_a_person_may_come_back_under_another_subject(path: Path) -> None:
    with opened(path) as store:
        before = store.forget(PEOPLE[0]).subject
        consent = Consent(purpose="again", given_at=START)
        assert store.enroll(PEOPLE[0], template(1), consent, retention=timedelta(days=1)).subject != before
        assert [line.subject for line in store.audit() if line.action == "forget"] == [before]


def test_the_audit_does_not_say_who(path: Path) -> None:
    with opened(path) as store:
        store.record_match(PEOPLE[1], score=1.25, track=3)
        store.forget(PEOPLE[1])
        lines = store.audit()
    assert all(PEOPLE[1] not in str(line) for line in lines)
    assert [line.detail for line in lines[-2:]] == ["score=1.25 track=3", ""]


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_there_is_no_log_that_could_keep_old_pages(path: Path, suffix: str) -> None:
    with opened(path) as store:
        enrol(store, "ada")
        assert not path.with_name(path.name + suffix).exists()
        assert path.with_name(path.name + "-journal").stat().st_size == 0
