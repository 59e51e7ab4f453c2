"""Bundles that know nothing, and drawn clips: nobody real, nothing timed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from crystaledge.bundle import Bundle
from crystaledge.scene.crowd import CrowdConfig, CrowdSource
from crystaledge.sources.frame import Frame
from crystaledge_benchmarks.video.setup import Setup
from crystaledge_export.export import export_checkpoint
from crystaledge_training.checkpoint import read_checkpoint, write_checkpoint
from tests.training.phantom.builders import phantom_record, random_phantom, sample_detection_decision

FILM = CrowdConfig(people=2, frames=9, size_hw=(72, 96))


@pytest.fixture(scope="session")
def detector_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Random weights that see few faces. Not to be written to."""
    folder, network = tmp_path_factory.mktemp("phantom"), random_phantom()
    record = phantom_record(network, decision=sample_detection_decision(score=0.63))
    write_checkpoint(folder / "random.safetensors", record, network.state_dict())
    return export_checkpoint(read_checkpoint(folder / "random.safetensors"), folder / "random.bundle").bundle


@pytest.fixture(scope="session")
def drawn_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two talking heads and one clip of several people, all drawn."""
    root = tmp_path_factory.mktemp("clips")
    for number in range(2):
        _write(root / f"talking_head/person{number:02d}.mp4", list(CrowdSource(FILM, only=number)))
    _write(root / "multi_person/crowd.mp4", drawn_film())
    return root


@pytest.fixture
def setup(detector_bundle: Bundle, tiny_bundle_path: Path, drawn_data: Path) -> Setup:
    """A few frames of everything, once."""
    identity = Bundle.open(tiny_bundle_path)
    return Setup(detector=detector_bundle, identity=identity, data=drawn_data, repeats=1, frames=6, embed_frames=2)


def drawn_film(frames: int = FILM.frames) -> list[Frame]:
    """A small drawn crowd."""
    config = CrowdConfig(people=FILM.people, frames=frames, size_hw=FILM.size_hw)
    return list(CrowdSource(config))


def _write(path: Path, frames: Sequence[Frame]) -> None:
    path.parent.mkdir(exist_ok=True)
    height, width = frames[0].pixels.shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 15.0, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(np.ascontiguousarray(frame.pixels[:, :, ::-1]))
    writer.release()
