"""Films on disk and the command line in this process, for the tests of the video verbs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from crystaledge.cli.main import main
from tests.runtime.sources.films import write_film
from tests.runtime.video.colours import GREEN, RED
from tests.runtime.video.squares import Square, painted

SIZE_HW = (256, 256)
PURPOSE = ("--purpose", "tests")


def filmed(path: Path, scenes: Sequence[Sequence[Square]], *, fps: float = 10.0) -> Path:
    """A film of squares, twice as large as they are in the network's input."""
    pictures = [np.ascontiguousarray(painted(scene, SIZE_HW)[:, :, ::-1]) for scene in scenes]
    return write_film(path, pictures, codec="mp4v", fps=fps)


def passing(colour: tuple[int, int, int], count: int, *, y: int = 100) -> list[list[Square]]:
    """Somebody who passes by."""
    return [[Square(10 + 5 * i, y, 40, colour)] for i in range(count)]


def red_and_green(path: Path, count: int = 30) -> Path:
    """Two people, and an empty place at the end."""
    pairs = zip(passing(RED, count, y=30), passing(GREEN, count, y=160), strict=True)
    return filmed(path, [*([*a, *b] for a, b in pairs), *[list[Square]()] * 20])


def key_file(folder: Path, *, first: int = 0) -> Path:
    """A master key."""
    path = folder / f"{first}.key"
    path.write_bytes(bytes(range(first, first + 32)))
    path.chmod(0o600)
    return path


def call(*arguments: object) -> int:
    """The exit status of a command."""
    return main([str(argument) for argument in arguments])


def assert_refused(capsys: pytest.CaptureFixture[str], status: int, *words: str) -> None:
    """Bad input: status 2, one line, nothing on stdout."""
    out, err = capsys.readouterr()
    assert status == 2, err
    assert out == ""
    last = err.strip().splitlines()[-1]
    assert last.startswith("crystaledge: ")
    assert "Traceback" not in err
    for word in words:
        assert word in last
