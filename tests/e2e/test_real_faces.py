"""The runtime on real faces, where the data folder is there: crops, and clips with a centred face."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crystaledge.sources.identities import read_catalogue
from tests.e2e.conftest import Cli

FACE_BOX = "0.15,0.05,0.85,0.85"


def events_of(cli: Cli, *arguments: object) -> list[dict]:  # type: ignore[type-arg]
    done = cli("run", *arguments, "--json")
    assert done.status == 0, done.err
    found: list[dict] = json.loads(done.out)["events"]  # type: ignore[type-arg]
    return found


def test_folder_of_real_crops_against_a_gallery(
    cli: Cli, embedded_bundle_path: Path, data_dir: Path, tmp_path: Path
) -> None:
    faces = data_dir / "orl" / "images"
    gallery = tmp_path / "gallery"
    probes = tmp_path / "probes"
    for person in ("s1", "s2", "s3", "s4", "s5"):
        for folder, images in ((gallery, (1, 2, 3)), (probes, (6, 7, 8, 9, 10))):
            (folder / person).mkdir(parents=True)
            for image in images:
                (folder / person / f"{image}.pgm").symlink_to(faces / person / f"{image}.pgm")
    events = events_of(cli, embedded_bundle_path, "--source", probes, "--gallery", gallery)
    last = {e["sequence"]: e for e in events}
    assert len(events) == 25 and len(last) == 5
    right = sum(e["match"] == name for name, e in last.items())
    assert right >= 4, "after five frames of an easy set, the best of five people is nearly always right"


def test_clip_with_a_centred_face(cli: Cli, embedded_bundle_path: Path, data_dir: Path) -> None:
    clip = data_dir / "face_video" / "talking_head" / "person05.mp4"
    events = events_of(cli, embedded_bundle_path, "--source", clip, "--face-box", FACE_BOX, "--frames", 60)
    assert [e["frame"] for e in events] == list(range(60))
    assert {e["track"] for e in events} == {0}
    early, late = events[1]["velocity"], events[-1]["velocity"]
    assert late < early, "a face that is looked at for two seconds settles"


@pytest.mark.parametrize("name", ["lfw", "orl"])
def test_real_folder_layouts_are_read(data_dir: Path, name: str) -> None:
    people = {"lfw": 5749, "orl": 40}[name]
    assert len(read_catalogue(data_dir / name).identities) == people
