"""Several processes on one gallery: each sees what the others did, and nobody waits for ever."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from crystaledge.gallery.errors import GalleryBusyError, UnknownPersonError
from crystaledge.gallery.store import GalleryStore
from tests.runtime.gallery.galleries import RETENTION, Clock, enrol, opened
from tests.runtime.gallery.kill import ROOT, Acknowledged, command
from tests.support.messages import message_of


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path, logs = tmp_path / "gallery.db", [tmp_path / f"{number}.log" for number in range(3)]
    workers = [subprocess.Popen(command(path, log, seed, "12"), cwd=ROOT) for seed, log in enumerate(logs, start=1)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    acknowledged = Acknowledged()
    for log in logs:
        acknowledged.read(log)
        assert acknowledged.in_flight is None
    assert acknowledged.compare(path) == "nothing in flight"
    with opened(path) as store:
        assert len(store.audit()) == len(acknowledged.hashes) > 20


def test_each_sees_what_the_other_did(tmp_path: Path) -> None:
    with opened(tmp_path / "gallery.db") as one, opened(tmp_path / "gallery.db") as other:
        version = other.version
        assert not other.changed_since(version)
        enrol(one, "ada", "bob")
        assert other.changed_since(version)
        assert list(other.templates()) == ["ada", "bob"]
        version = other.version
        one.record_match("ada", score=0.5, track=1)
        assert not other.changed_since(version)
        one.forget("ada")
        assert other.changed_since(version)
        assert list(other.templates()) == ["bob"]
        with pytest.raises(UnknownPersonError):
            other.record_match("ada", score=0.5, track=1)


def test_time_that_passes_is_a_change(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path / "gallery.db", clock) as store:
        enrol(store, "ada")
        version = store.version
        clock.advance(RETENTION)
        assert store.changed_since(version)
        assert store.templates() == {}


@pytest.mark.parametrize(
    ("lock", "use"),
    [
        pytest.param("IMMEDIATE", lambda s: enrol(s, "eve"), id="enrol"),
        pytest.param("IMMEDIATE", lambda s: s.forget("ada"), id="forget"),
        pytest.param("IMMEDIATE", lambda s: s.record_match("ada", score=0.5, track=1), id="match"),
        pytest.param("EXCLUSIVE", lambda s: s.templates(), id="read"),
        pytest.param("EXCLUSIVE", lambda s: s.changed_since(0), id="ask"),
    ],
)
def test_a_gallery_locked_for_too_long_is_one_line(
    tmp_path: Path, lock: str, use: Callable[[GalleryStore], object]
) -> None:
    path = tmp_path / "gallery.db"
    with opened(path, busy_timeout_s=0.05) as store, closing(sqlite3.connect(path, isolation_level=None)) as holder:
        enrol(store, "ada", "bob")
        holder.execute(f"BEGIN {lock}")
        with pytest.raises(GalleryBusyError) as raised:
            use(store)
        assert message_of(raised) == (
            f"The gallery {path} is held by another process; nothing was changed, try again later."
        )
        holder.execute("ROLLBACK")
        assert list(store.templates()) == ["ada", "bob"]
        assert store.verify_audit() == 2


def test_a_gallery_that_is_being_written_can_be_opened_and_read(tmp_path: Path) -> None:
    path = tmp_path / "gallery.db"
    with opened(path) as store:
        enrol(store, "ada")
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with opened(path, busy_timeout_s=0.05) as store:
            assert list(store.templates()) == ["ada"]


def test_of_two_that_make_a_gallery_at_once_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gallery.db"
    with opened(path) as store:
        enrol(store, "ada")
    monkeypatch.setattr(type(path), "exists", lambda self: False)
    with opened(path, create=True) as store:
        assert list(store.templates()) == ["ada"]
    assert not list(tmp_path.glob(".creating.*"))
