"""Peers run in a process of their own; here they are made up."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from crystaledge.errors import EngineError
from crystaledge_benchmarks.video.peer_loop import DETECTORS, EMBEDDERS, loops_of, watch

DETECTORS_FILE = """
import numpy as np
class Finds:
    def points(self, image):
        h, w = image.shape[:2]
        return np.array([[0.0, 0.0, w / 2, h / 2]]), np.array([0.9]), np.zeros((1, 5, 2))
def make(name, threshold):
    return Finds()
"""
EMBEDDERS_FILE = """
def make(name):
    return lambda image, box, points: 0
"""


@pytest.fixture
def peers(tmp_path: Path) -> Path:
    """An environment whose detectors see one face in the upper left quarter."""
    python = tmp_path / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (tmp_path / "detectors.py").write_text(DETECTORS_FILE)
    (tmp_path / "embedders.py").write_text(EMBEDDERS_FILE)
    return tmp_path


def test_every_detector_goes_with_every_embedder(peers: Path, drawn_data: Path) -> None:
    clip = drawn_data / "multi_person/crowd.mp4"
    loops, boxes = watch(peers, clip, frames=4, embed_frames=2)
    assert len(loops) == len(DETECTORS) * len(EMBEDDERS)
    assert {loop.faces_per_frame for loop in loops} == {1.0}
    assert set(boxes) == set(DETECTORS)
    for frames in boxes.values():
        assert [frame.tolist() for frame in frames] == [[[0.0, 0.0, 48.0, 36.0]]] * 4


def test_peers_that_fail_say_why(peers: Path, drawn_data: Path) -> None:
    (peers / "embedders.py").write_text("raise RuntimeError('no weights')\n")
    with pytest.raises(EngineError, match=r"failed on crowd\.mp4: RuntimeError: no weights"):
        watch(peers, drawn_data / "multi_person/crowd.mp4", frames=2, embed_frames=1)
    os.remove(peers / "venv/bin/python")  # noqa: PTH107
    with pytest.raises(EngineError, match="No such file"):
        watch(peers, drawn_data / "multi_person/crowd.mp4", frames=2, embed_frames=1)


def test_the_cost_of_a_frame_is_detection_and_an_embedding_a_face() -> None:
    told = {
        "decode_cpu_ms": [1.0, 3.0],
        "detectors": {"a:0:0.5": {"cpu_ms": [4.0, 6.0], "boxes": [[[0, 0, 1, 1]] * 3, []]}},
        "embed_cpu_ms": {"a:0:0.5": {"x": [10.0, 20.0, 90.0], "y": []}},
    }
    with_x, with_y = loops_of(told)
    assert (with_x.detector, with_x.embedder, with_x.decode_cpu_ms) == ("a", "x", 2.0)
    assert with_x.cpu_ms == 5.0 + 20.0 * 1.5
    assert with_y.cpu_ms == 5.0
