"""The runtime's own verbs, from the arguments on."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from crystaledge.cli.main import build_parser
from crystaledge.commands import run as run_command
from crystaledge.commands import systems as systems_command
from crystaledge.commands.parsers import face_box, positive, size_hw
from crystaledge.commands.verbs import RUN, SYSTEMS
from crystaledge.errors import DataError, OutputExistsError, StateError, UsageError
from crystaledge.identity.spec import Stopping
from crystaledge.system import System
from crystaledge.systems.registry import HOSTS
from tests.support.frames import drawn_frames


def parsed(*arguments: object) -> Namespace:
    """Arguments as the command line would parse them."""
    return build_parser([SYSTEMS, RUN]).parse_args([str(argument) for argument in arguments])


def run(*arguments: object) -> list[Any]:
    """Events of `crystaledge run ... --json`."""
    events: list[Any] = run_command.run(parsed("run", *arguments, "--json")).data["events"]
    return events


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """Two people with two drawn pictures each."""
    folder = tmp_path / "crops"
    for person, name in enumerate(("ada", "bob")):
        (folder / name).mkdir(parents=True)
        for place, frame in enumerate(drawn_frames(person, 2)):
            picture = np.ascontiguousarray(frame.pixels[:, :, ::-1])
            assert cv2.imwrite(str(folder / name / f"{place}.png"), picture)
    return folder


def test_the_scene_runs_with_its_people_enrolled(tiny_bundle_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = run(tiny_bundle_path, "--source", "synthetic", "--enroll-synthetic", "--frames", 3)
    assert [event["frame"] for event in events] == [0, 1, 2]
    assert all(event["match"].startswith("person") for event in events)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "enrolled 4 people, in memory only\n"


def test_without_json_each_event_is_a_line(tiny_bundle_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (tiny_bundle_path, "--source", "synthetic", "--frames", 3)
    outcome = run_command.run(parsed("run", *arguments))
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == run(*arguments)
    assert outcome.text == ""


def test_a_gallery_of_folders_is_enrolled(
    tiny_bundle_path: Path, crops: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = run(tiny_bundle_path, "--source", crops, "--gallery", crops)
    assert [event["sequence"] for event in events] == ["ada", "ada", "bob", "bob"]
    assert {event["match"] for event in events} <= {"ada", "bob"}
    assert "enrolled 2 people" in capsys.readouterr().err


def test_the_face_boxes_of_source_and_gallery_are_apart(tiny_bundle_path: Path, crops: Path) -> None:
    whole = run(tiny_bundle_path, "--source", crops, "--gallery", crops)
    other_gallery = run(tiny_bundle_path, "--source", crops, "--gallery", crops, "--gallery-face-box", "0,0,0.5,0.5")
    other_source = run(tiny_bundle_path, "--source", crops, "--gallery", crops, "--face-box", "0,0,0.5,0.5")
    norms, scores = ([event[key] for event in whole] for key in ("state_norm", "score"))
    assert [event["state_norm"] for event in other_gallery] == norms
    assert [event["score"] for event in other_gallery] != scores
    assert [event["state_norm"] for event in other_source] != norms


def test_a_run_goes_on_where_its_state_file_ended(tiny_bundle_path: Path, tmp_path: Path) -> None:
    source = (tiny_bundle_path, "--source", "synthetic")
    run(*source, "--frames", 5, "--snapshot", tmp_path / "tracks.state")
    restored = run(*source, "--frames", 2, "--restore", tmp_path / "tracks.state")
    assert [event["observations"] for event in restored] == [6, 7]


def test_a_state_file_is_not_replaced_without_being_asked(tiny_bundle_path: Path, tmp_path: Path) -> None:
    state_file = tmp_path / "tracks.state"
    state_file.write_bytes(b"mine")
    arguments = (tiny_bundle_path, "--source", "synthetic", "--frames", 1, "--snapshot", state_file)
    with pytest.raises(OutputExistsError):
        run(*arguments)
    assert state_file.read_bytes() == b"mine"
    run(*arguments, "--force")
    assert state_file.read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param(["--source", "nowhere"], DataError, id="no-source"),
        pytest.param(["--source", ".", "--enroll-synthetic"], UsageError, id="scene-people-for-another-source"),
        pytest.param(["--source", "synthetic", "--gallery", "nowhere"], DataError, id="no-gallery"),
        pytest.param(["--source", "synthetic", "--restore", "nowhere"], StateError, id="no-state-file"),
        pytest.param(["--source", "synthetic", "--far", "0.3"], UsageError, id="rate-not-calibrated"),
        pytest.param(["--source", "synthetic", "--face-box", "0.9,0,0.1,1"], UsageError, id="box-reversed"),
        pytest.param(["--source", "synthetic", "--face-box", "0,0,1"], UsageError, id="box-of-three"),
        pytest.param(["--source", "synthetic", "--frames", "0"], UsageError, id="no-frames"),
        pytest.param(["--source", "synthetic", "--stopping", "never"], UsageError, id="unknown-rule"),
        pytest.param([], UsageError, id="source-missing"),
    ],
)
def test_wrong_arguments_are_refused(tiny_bundle_path: Path, arguments: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        run(tiny_bundle_path, *arguments)


def test_the_stopping_rule_is_passed_on(tiny_bundle_path: Path) -> None:
    # Where none is named, crops and video have defaults of their own.
    assert parsed("run", tiny_bundle_path, "--source", "synthetic").stopping is None
    assert parsed("run", tiny_bundle_path, "--source", "synthetic", "--stopping", "velocity").stopping is (
        Stopping.VELOCITY
    )


def test_boxes_and_counts_are_parsed() -> None:
    assert face_box("0.2,0.1,0.8,0.9") == (0.2, 0.1, 0.8, 0.9)
    assert positive("12") == 12


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d"])
def test_what_is_no_box_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is not X1,Y1,X2,Y2"):
        face_box(text)


def test_sizes_are_height_and_width() -> None:
    assert size_hw("192,320") == (192, 320)
    assert size_hw("1,65535") == (1, 65_535)


@pytest.mark.parametrize("text", ["", "192", "192,320,3", "0,320", "192,-1", "192,65536", "a,b", "1.5,2"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is not H,W"):
        size_hw(text)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "x"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is not an integer from 1 to"):
        positive(text)


def test_systems_tells_what_there_is() -> None:
    outcome = systems_command.run(parsed("systems"))
    assert [system["system"] for system in outcome.data["systems"]] == [system.value for system in System]
    assert outcome.data["installed"]["run"] is True
    assert "mnemosyne: face identity by temporal crystallization" in outcome.text
    json.dumps(outcome.data)


def test_every_system_has_a_host_pipeline() -> None:
    assert set(HOSTS) == set(System)
