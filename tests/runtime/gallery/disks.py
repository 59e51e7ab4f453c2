"""Disks that are small, or cannot be written; where the tests may not mount any, they say so."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, *, size_kib: int) -> Iterator[Path]:
    """A disk of this size at a new folder."""
    folder.mkdir()
    if os.geteuid() != 0 or _mount("-t", "tmpfs", "-o", f"size={size_kib}k,mode=700", "none", folder):
        pytest.skip("not run: this user may not mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A disk of `small_disk` that cannot be written for a while."""
    assert _mount("-o", "remount,ro", folder) == 0
    try:
        yield
    finally:
        assert _mount("-o", "remount,rw", folder) == 0


def fill(folder: Path) -> Path:
    """Leave no room on a disk; returns the file that took it."""
    with (folder / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return folder / "filler"


def _mount(*arguments: str | Path) -> int:
    return subprocess.run(["mount", *map(str, arguments)], check=False, capture_output=True).returncode
