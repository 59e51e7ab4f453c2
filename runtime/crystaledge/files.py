"""Writing that is whole or not at all, and fingerprints of what was written."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crystaledge.errors import OutputExistsError


def sha256_of(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def refuse_existing_file(path: Path, *, force: bool) -> None:
    """Raise `OutputExistsError` where a folder has the file's name, or a file has and `force` is false."""
    if path.is_dir():
        msg = f"{path} is a folder; give the name of a file."
        raise OutputExistsError(msg)
    if path.exists() and not force:
        msg = f"{path} exists already; give another path, or --force to replace it."
        raise OutputExistsError(msg)


def refuse_existing(path: Path, *, force: bool, marker: str) -> None:
    """Raise `OutputExistsError` unless a folder may be written at `path`.

    An empty folder counts as absent. `force` replaces only what the same command wrote, known by
    the file `marker` in it, and never the folder that one stands in.
    """
    if not path.exists() and not path.is_symlink():
        return
    here = Path.cwd().resolve()
    if path.resolve() in (here, *here.parents):
        msg = f"{path} is the current folder or one above it; give the name of a new folder."
        raise OutputExistsError(msg)
    if path.is_dir() and not any(path.iterdir()):
        return
    if not force:
        msg = f"{path} exists already; give another path, or --force to replace it."
        raise OutputExistsError(msg)
    if not (path.is_dir() and (path / marker).is_file()):
        msg = (
            f"{path} has no {marker}, so this command did not write it; --force does not replace it. Give another path."
        )
        raise OutputExistsError(msg)


def write_atomic(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a file under a temporary name beside its place, then move it there.

    Args:
        private: readable by its owner alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".writing.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if not private:
            os.chmod(name, 0o644)  # noqa: PTH101 (mkstemp makes it private)
        os.replace(name, path)  # noqa: PTH105
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def folder_atomic(path: Path, *, force: bool, marker: str) -> Iterator[Path]:
    """Give an empty folder to fill; on success it takes the place of `path`, on failure it is removed.

    A folder that is replaced is set aside first and comes back if the move fails.

    Raises:
        OutputExistsError: see `refuse_existing`.
    """
    refuse_existing(path, force=force, marker=marker)
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".writing.", dir=path.parent))
    temporary.chmod(0o755)
    try:
        yield temporary
        _swap_in(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _swap_in(temporary: Path, path: Path) -> None:
    if not path.exists():
        temporary.rename(path)
        return
    aside = temporary.with_name(temporary.name + ".old")
    path.rename(aside)
    try:
        temporary.rename(path)
    except BaseException:
        aside.rename(path)
        raise
    if aside.is_dir():
        shutil.rmtree(aside, ignore_errors=True)
    else:
        aside.unlink()
