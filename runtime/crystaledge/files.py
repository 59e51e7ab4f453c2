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


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise `OutputExistsError` where `path` exists and `force` is false; an empty folder counts as absent."""
    if force or not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    msg = f"{path} exists already; give another path, or --force to replace it."
    raise OutputExistsError(msg)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file under a temporary name beside its place, then move it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)  # noqa: PTH101 (mkstemp makes it private; the umask is not readable safely)
        os.replace(name, path)  # noqa: PTH105
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def folder_atomic(path: Path, *, force: bool) -> Iterator[Path]:
    """Give an empty folder to fill; on success it takes the place of `path`, on failure it is removed.

    A folder that is replaced is set aside first and comes back if the move fails.

    Raises:
        OutputExistsError: `path` exists and `force` is false.
    """
    refuse_existing(path, force=force)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
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
