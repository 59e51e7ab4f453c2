"""Photographs at the door, as a user has them told: a film in, JSON lines and an annotated film out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from crystaledge.liveness.config import CALIBRATED_PX
from crystaledge.liveness.result import COVERED, NOT_COVERED
from tests.e2e.conftest import Cli
from tests.runtime.outputs.videos import read_back
from tests.runtime.video.bright_square import write_detector
from tests.runtime.video.faces_in_squares import Pixels, filmed_faces, scene, speaking, still

COUNT = 25


def visitors() -> list[Pixels]:
    """A photograph that is carried about, one on a stand, and somebody who speaks."""
    return [scene((20 + 4 * i, 30 + i, still()), (30, 370, still(1)), (350, 200, speaking(i, 3))) for i in range(COUNT)]


def test_a_film_with_two_photographs_and_a_living_face(cli: Cli, tmp_path: Path) -> None:
    detector = write_detector(tmp_path / "squares.bundle").path
    film = filmed_faces(tmp_path / "door.mp4", visitors())
    plain, marked = tmp_path / "plain.mp4", tmp_path / "marked.mp4"
    done = cli("run", detector, "--source", film, "--liveness", "--record", marked)
    assert done.status == 0, done.err
    events: list[dict[str, Any]] = [json.loads(line) for line in done.out.splitlines()]
    turns = [event for event in events if event["turn"] == "liveness"]
    assert len({event["track"] for event in turns}) == len(turns) == 3
    verdicts = {_place(event): event["liveness"]["verdict"] for event in turns}
    assert verdicts == {"carried": "photograph", "stand": "photograph", "speaks": "live"}
    for event in turns:
        result = event["liveness"]
        assert (result["threshold_px"], result["windows"]) == (CALIBRATED_PX, 1)
        assert (result["motion_px"] >= CALIBRATED_PX) is (result["verdict"] == "live")
        assert (result["covered"], result["not_covered"]) == (list(COVERED), list(NOT_COVERED))
        assert 0.85 <= event["time_s"] <= 1.3
    assert {event["liveness"] for event in events if event["turn"] != "liveness"} == {None}
    again = cli("run", detector, "--source", film, "--record", plain)
    assert again.status == 0, again.err
    assert [json.loads(line) for line in again.out.splitlines()] == [e for e in events if e["turn"] != "liveness"]
    (first, _), (second, _) = read_back(plain), read_back(marked)
    assert len(first) == len(second) == COUNT
    # The word stands above the boxes of photographs once they are found out, and above nobody before.
    assert _difference(first[3], second[3]) < 2 < 40 < _difference(first[-1], second[-1])


def test_it_needs_a_bundle_that_finds_faces(cli: Cli, tiny_bundle_path: Path, tmp_path: Path) -> None:
    film = filmed_faces(tmp_path / "door.mp4", visitors()[:2])
    done = cli("run", tiny_bundle_path, "--source", film, "--liveness")
    assert done.is_one_line_of_bad_input(), done.err
    assert "--liveness" in done.err


def _place(event: dict[str, Any]) -> str:
    left, top = event["box_xyxy"][:2]
    return "stand" if top > 300 else "speaks" if left > 250 else "carried"


def _difference(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).max())
