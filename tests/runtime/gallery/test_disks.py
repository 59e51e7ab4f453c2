"""Full disks and folders that cannot be written: one clear line, and nothing is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from crystaledge.gallery import store as store_module
from crystaledge.gallery.connection import connect
from crystaledge.gallery.errors import GalleryError
from tests.runtime.gallery.disks import fill, read_only, small_disk
from tests.runtime.gallery.galleries import RETENTION, Clock, enrol, opened, secrets_of, traces
from tests.support.messages import message_of


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    with small_disk(tmp_path / "disk", size_kib=256) as folder:
        yield folder


def enrol_until_full(path: Path) -> tuple[list[str], str]:
    """Who was enrolled before the disk was full, and the line that said so."""
    names: list[str] = []
    with opened(path) as store, pytest.raises(GalleryError) as raised:
        while True:
            enrol(store, f"person {len(names)}")
            names.append(f"person {len(names)}")
    return names, message_of(raised)


def require_sound(path: Path, names: list[str]) -> None:
    """Exactly these people are enrolled, and the audit agrees."""
    with opened(path, create=False) as store:
        assert list(store.templates()) == names
        store.verify_audit()


def test_enrolment_on_a_full_disk_keeps_those_before(disk: Path) -> None:
    names, line = enrol_until_full(disk / "gallery.db")
    assert line == (
        f"The gallery {disk}/gallery.db cannot grow, since the disk is full; nothing was changed, free some space."
    )
    assert len(names) > 10
    require_sound(disk / "gallery.db", names)


def test_the_same_by_a_planted_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect_to_a_small_file(path: Path, *, busy_timeout_s: float) -> sqlite3.Connection:
        connection = connect(path, busy_timeout_s=busy_timeout_s)
        connection.execute("PRAGMA max_page_count=24").fetchall()
        return connection

    monkeypatch.setattr(store_module, "connect", connect_to_a_small_file)
    names, line = enrol_until_full(tmp_path / "gallery.db")
    assert "the disk is full" in line
    require_sound(tmp_path / "gallery.db", names)


def test_people_can_be_read_on_a_full_disk_and_forgotten_once_there_is_room(disk: Path) -> None:
    path = disk / "gallery.db"
    with opened(path) as store:
        enrol(store, "ada", "bob")
    filler = fill(disk)
    with opened(path) as store:
        assert list(store.templates()) == ["ada", "bob"]
        with pytest.raises(GalleryError, match="the disk is full; nothing was changed") as raised:
            store.forget("ada")
        message_of(raised)
        assert list(store.templates()) == ["ada", "bob"]
        filler.unlink()
        store.forget("ada")
    require_sound(path, ["bob"])


def test_bytes_that_could_not_be_cleaned_are_cleaned_at_an_opening_that_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gallery.db"
    with opened(path) as store:
        enrol(store, "ada", "bob")
        secrets = secrets_of(path, store.people()[0].subject)
    monkeypatch.setattr(store_module, "connect", connect_without_cleaning)
    with opened(path) as store, pytest.raises(GalleryError) as raised:
        store.forget("ada")
    assert message_of(raised) == (
        f"The person is forgotten, but deleted bytes may be left in {path}: database or disk is full; open it again."
    )
    require_sound(path, ["bob"])  # it opens all the same
    assert traces(path, secrets)
    monkeypatch.undo()
    require_sound(path, ["bob"])
    assert traces(path, secrets) == 0


def connect_without_cleaning(path: Path, *, busy_timeout_s: float) -> sqlite3.Connection:
    """Deleted bytes stay, and there is no room to write the file anew."""
    connection = sqlite3.connect(path, isolation_level=None, factory=NoVacuum)
    connection.execute("PRAGMA secure_delete=OFF").fetchall()
    return connection


class NoVacuum(sqlite3.Connection):
    """A connection on a disk that has room for little."""

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        """As always, but for one statement."""
        if sql == "VACUUM":
            msg = "database or disk is full"
            raise sqlite3.OperationalError(msg)
        return super().execute(sql, *values)  # type: ignore[arg-type]


def test_a_gallery_on_a_disk_that_cannot_be_written_can_be_read(disk: Path) -> None:
    path = disk / "gallery.db"
    with opened(path) as store:
        enrol(store, "ada")
    with read_only(disk), opened(path) as store:
        assert list(store.templates()) == ["ada"]
        with pytest.raises(GalleryError) as raised:
            enrol(store, "bob")
    assert message_of(raised) == (
        f"The gallery {path} cannot be written; nothing was changed, allow writing to the file and its folder."
    )
    require_sound(path, ["ada"])


def test_people_whose_time_is_up_are_not_read_where_they_cannot_be_forgotten(disk: Path) -> None:
    path = disk / "gallery.db"
    with opened(path) as store:
        enrol(store, "ada")
    clock = Clock()
    clock.advance(RETENTION + timedelta(seconds=1))
    with read_only(disk), pytest.raises(GalleryError, match="cannot be written") as raised:
        opened(path, clock)
    message_of(raised)


def test_a_gallery_cannot_be_made_where_nothing_can_be_written(disk: Path) -> None:
    with read_only(disk), pytest.raises(GalleryError) as raised:
        opened(disk / "gallery.db")
    assert message_of(raised) == (
        f"The gallery {disk}/gallery.db cannot be used: Read-only file system; nothing was changed."
    )


def test_a_gallery_cannot_be_made_on_a_full_disk(disk: Path) -> None:
    filler = fill(disk)
    with pytest.raises(GalleryError, match="the disk is full") as raised:
        opened(disk / "gallery.db")
    message_of(raised)
    assert list(disk.iterdir()) == [filler]
