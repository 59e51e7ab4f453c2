"""A detector that knows nothing, drawn people in LFW's layout, and drawn clips: nobody real."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from crystaledge.bundle import Bundle
from crystaledge.scene.crowd import CrowdConfig, CrowdSource
from crystaledge_export.export import export_checkpoint
from crystaledge_training.checkpoint import read_checkpoint, write_checkpoint
from tests.benchmarks.liveness.builders import drawn_face
from tests.training.phantom.builders import phantom_record, random_phantom, sample_detection_decision

TRAINED, TESTED, UNLISTED = ("Train_0", "Train_1", "Train_2"), ("Test_0", "Test_1"), ("Other_0",)
CLIP_FPS = 10.0
CLIP = CrowdConfig(people=2, frames=17, size_hw=(72, 96), frames_per_s=CLIP_FPS)


@pytest.fixture(scope="session")
def detector_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Random weights that see something nearly everywhere. Not to be written to."""
    folder, network = tmp_path_factory.mktemp("phantom"), random_phantom()
    record = phantom_record(network, decision=sample_detection_decision(score=0.63))
    write_checkpoint(folder / "random.safetensors", record, network.state_dict())
    return export_checkpoint(read_checkpoint(folder / "random.safetensors"), folder / "random.bundle").bundle


@pytest.fixture(scope="session")
def lfw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures of each drawn person, the first with a closed mouth, and the official lists."""
    root = tmp_path_factory.mktemp("lfw")
    for number, name in enumerate((*TRAINED, *TESTED, *UNLISTED)):
        folder = root / "images" / name
        folder.mkdir(parents=True)
        for image in (1, 2):
            picture = drawn_face(number, side=60, mouth_open=float(image - 1))
            assert cv2.imwrite(str(folder / f"{name}_{image:04d}.png"), picture)
    for part, names in (("Train", TRAINED), ("Test", TESTED)):
        lines = [str(len(names)), *(f"{name}\t2" for name in names)]
        (root / f"peopleDev{part}.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two talking heads, drawn."""
    root = tmp_path_factory.mktemp("clips")
    for number in range(2):
        write_clip(root / f"talking_head/person{number:02d}.mp4", number)
    return root


def write_clip(path: Path, number: int) -> None:
    """A drawn person who moves and speaks."""
    path.parent.mkdir(exist_ok=True)
    height, width = CLIP.size_hw
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), CLIP_FPS, (width, height))
    assert writer.isOpened()
    for frame in CrowdSource(CLIP, only=number):
        writer.write(np.ascontiguousarray(frame.pixels[:, :, ::-1]))
    writer.release()
