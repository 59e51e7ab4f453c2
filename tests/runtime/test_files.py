"""Whole or not at all: also when writing fails half-way."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from crystaledge.errors import OutputExistsError
from crystaledge.files import (
    folder_atomic,
    refuse_existing,
    refuse_existing_file,
    sha256_of,
    write_atomic,
)

MARKER = "made-here.json"


def test_sha256() -> None:
    assert sha256_of(b"abc") == hashlib.sha256(b"abc").hexdigest()


def test_a_file_is_written_with_its_folders_and_readable_by_all(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "file"
    write_atomic(target, b"one")
    assert target.read_bytes() == b"one"
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert list(target.parent.iterdir()) == [target]


def test_a_file_is_replaced(tmp_path: Path) -> None:
    write_atomic(tmp_path / "file", b"one")
    write_atomic(tmp_path / "file", b"two")
    assert (tmp_path / "file").read_bytes() == b"two"


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.mkdir()  # a folder cannot be replaced by a file, so that the last move fails
    with pytest.raises(OSError, match="Is a directory"):
        write_atomic(target, b"one")
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("force", [pytest.param(False, id="asked"), pytest.param(True, id="forced")])
def test_a_folder_appears_only_when_it_is_complete(tmp_path: Path, force: bool) -> None:
    target = tmp_path / "out"
    with folder_atomic(target, force=force, marker=MARKER) as folder:
        (folder / "file").write_bytes(b"one")
        assert not target.exists()
    assert (target / "file").read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("existed", [pytest.param(False, id="nothing-before"), pytest.param(True, id="folder-before")])
def test_a_failure_leaves_everything_as_it_was(tmp_path: Path, existed: bool) -> None:
    target = tmp_path / "out"
    if existed:
        target.mkdir()
        (target / MARKER).write_bytes(b"old")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(KeyboardInterrupt), folder_atomic(target, force=True, marker=MARKER) as folder:
        (folder / "file").write_bytes(b"half")
        raise KeyboardInterrupt
    assert sorted(tmp_path.rglob("*")) == before


def test_force_replaces_what_the_same_command_wrote(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / MARKER).write_bytes(b"old")
    with folder_atomic(target, force=True, marker=MARKER) as folder:
        (folder / "new").write_bytes(b"new")
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_force_never_replaces_what_somebody_else_wrote(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "out"
    if kind == "folder":
        target.mkdir()
        (target / "mine").write_bytes(b"mine")
    elif kind == "file":
        target.write_bytes(b"mine")
    else:
        target.symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputExistsError, match="did not write it"):
        refuse_existing(target, force=True, marker=MARKER)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_folder_one_stands_in_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / MARKER).touch()
    monkeypatch.chdir(inner)
    for path in (Path(), Path(), Path(".."), tmp_path):
        with pytest.raises(OutputExistsError, match="current folder"):
            refuse_existing(path, force=True, marker=MARKER)


def test_a_file_is_no_folder_and_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(OutputExistsError, match="is a folder"):
        refuse_existing_file(tmp_path, force=True)
    file = tmp_path / "file"
    refuse_existing_file(file, force=False)
    file.touch()
    with pytest.raises(OutputExistsError, match="--force"):
        refuse_existing_file(file, force=False)
    refuse_existing_file(file, force=True)


@pytest.mark.parametrize(("private", "mode"), [(True, 0o600), (False, 0o644)])
def test_private_files_are_for_their_owner_alone(tmp_path: Path, private: bool, mode: int) -> None:
    write_atomic(tmp_path / "file", b"x", private=private)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


def test_what_exists_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    with pytest.raises(OutputExistsError, match="exists already; give another path, or --force"):
        refuse_existing(tmp_path, force=False, marker=MARKER)
    with pytest.raises(OutputExistsError), folder_atomic(tmp_path, force=False, marker=MARKER):
        pytest.fail("the body must not run")


def test_an_empty_folder_counts_as_absent(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    refuse_existing(target, force=False, marker=MARKER)
    with folder_atomic(target, force=False, marker=MARKER) as folder:
        (folder / "file").write_bytes(b"one")
    assert [path.name for path in target.iterdir()] == ["file"]
