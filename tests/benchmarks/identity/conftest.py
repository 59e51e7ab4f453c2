"""People who are colours, in LFW's layout, and peers who see nothing but a mean colour."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from crystaledge.bundle import Bundle
from crystaledge_benchmarks.identity.engine_network import EngineNetwork
from crystaledge_benchmarks.identity.people import Faces, read_faces
from crystaledge_benchmarks.identity.protocol import Protocol
from tests.support.step_graphs import SIDE

TEST_PEOPLE, TRAINEES = 5, 3
IMAGES = 11
"""Of each person: two templates of five, and one left over."""
SMALL = Protocol(draws=2, resamples=40)
DETECTORS_FILE = """
import numpy as np
class Finds:
    def points(self, image):
        h, w = image.shape[:2]
        if image.mean() < 100:
            return np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2))
        far, near = [0, 0, 4, 4], [w / 4, h / 4, 3 * w / 4, 3 * h / 4]
        return np.array([far, near], float), np.array([0.4, 0.9]), np.zeros((2, 5, 2))
def make(name, threshold):
    assert (name, threshold) == ("yunet_n", 0.3)
    return Finds()
"""
EMBEDDERS_FILE = """
import numpy as np
def make(name):
    def embed(image, box, points):
        x0, y0, x1, y1 = np.round(box).astype(int)
        return image[y0:y1, x0:x1].mean((0, 1)) / 255 - 0.5
    return embed
"""


@pytest.fixture(scope="session")
def lfw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn people with LFW's official lists; nobody real."""
    root = tmp_path_factory.mktemp("lfw")
    test, trainees = draw_people(root, "Test", TEST_PEOPLE), draw_people(root, "Train", TRAINEES)
    write_people(root / "peopleDevTest.txt", test)
    write_people(root / "peopleDevTrain.txt", trainees)
    write_pairs(root / "pairsDevTest.txt", test)
    write_pairs(root / "pairsDevTrain.txt", trainees)
    return root


@pytest.fixture(scope="session")
def orl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Others."""
    root = tmp_path_factory.mktemp("orl")
    draw_people(root, "Other", 4)
    return root


@pytest.fixture(scope="session")
def faces(lfw: Path, orl: Path, tiny_bundle_path: Path) -> Faces:
    """All of them, as the tiny bundle sees them. Not to be written to."""
    return read_faces(lfw, orl, Bundle.open(tiny_bundle_path).manifest.preprocessing)


@pytest.fixture
def network(tiny_bundle_path: Path) -> EngineNetwork:
    """The tiny step, which sees nothing but a mean colour."""
    bundle = Bundle.open(tiny_bundle_path)
    return EngineNetwork(bundle, bundle.graph())


@pytest.fixture
def peers(tmp_path: Path) -> Path:
    """An environment whose embedders tell colours apart."""
    folder = tmp_path / "peers"
    python = folder / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (folder / "detectors.py").write_text(DETECTORS_FILE)
    (folder / "embedders.py").write_text(EMBEDDERS_FILE)
    return folder


def draw_people(root: Path, prefix: str, count: int) -> list[str]:
    """Write images of people who each have a colour."""
    random = np.random.default_rng(len(prefix))
    names = [f"{prefix}_{number}" for number in range(count)]
    for name in names:
        colour = random.uniform(20, 235, 3)
        folder = root / "images" / name
        folder.mkdir(parents=True)
        for image in range(1, IMAGES + 1):
            pixels = np.clip(colour + random.normal(0, 12, 3) + random.normal(0, 5, (SIDE + 2, SIDE + 2, 3)), 0, 255)
            assert cv2.imwrite(str(folder / f"{name}_{image:04d}.png"), pixels.astype(np.uint8))
    return names


def write_people(file: Path, names: Sequence[str]) -> None:
    """LFW's list of people."""
    file.write_text("\n".join([str(len(names)), *(f"{name}\t{IMAGES}" for name in names)]) + "\n")


def write_pairs(file: Path, names: Sequence[str]) -> None:
    """LFW's list of pairs: each person's first two images, and each with the next person's."""
    same = [f"{name}\t1\t2" for name in names]
    other = [f"{name}\t3\t{following}\t4" for name, following in zip(names, (*names[1:], names[0]), strict=True)]
    file.write_text("\n".join([str(len(names)), *same, *other]) + "\n")
