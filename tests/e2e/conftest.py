"""What end-to-end tests share: the command as a user calls it, and small folders of drawn people."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import pytest

from crystaledge.scene.scene import SceneConfig, film
from crystaledge.system import System
from crystaledge_benchmarks.assets import embedded_bundle


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    status: int
    out: str
    err: str

    def is_one_line_of_bad_input(self) -> bool:
        """Status 2, one clear line on stderr (talk before it aside), no trace."""
        return (
            self.status == 2
            and "Traceback" not in self.err
            and self.err.strip().split("\n")[-1].startswith("crystaledge: ")
        )


Cli = Callable[..., Finished]


@pytest.fixture(scope="session")
def cli() -> Cli:
    """Run `crystaledge ARGUMENTS` in a fresh process."""

    def call(*arguments: object, cwd: Path | None = None) -> Finished:
        environment = {**os.environ, "OMP_NUM_THREADS": "2"}
        done = subprocess.run(
            [sys.executable, "-m", "crystaledge.cli.main", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env=environment,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    return call


def write_people(folder: Path, *, people: int, images: int, side_px: int = 48, take: int = 0) -> Path:
    """Write `folder/personNN/N.png` of drawn people."""
    scene = SceneConfig(side_px=side_px, seed=3)
    for person in range(people):
        target = folder / f"person{person:02d}"
        target.mkdir(parents=True)
        shots = film(scene, person, take_number=take)
        for image in range(images):
            cv2.imwrite(str(target / f"{image}.png"), next(shots).pixels[:, :, ::-1])
    return folder


@pytest.fixture(scope="session")
def people_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty drawn people with six images each."""
    return write_people(tmp_path_factory.mktemp("people"), people=40, images=6)


@pytest.fixture(scope="session")
def embedded_bundle_path() -> Path:
    """The bundle of the embedded weights."""
    return embedded_bundle(System.MNEMOSYNE)
