"""`crystaledge run` with a detector, from the arguments on."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from crystaledge.commands import run_video, video_outputs
from crystaledge.outputs.view import FrameView, StopShowing
from crystaledge.sources.feeds import Feeds
from crystaledge.sources.mailbox import DropPolicy
from crystaledge.video.pipeline import VideoPipeline
from tests.runtime.outputs.videos import read_back
from tests.runtime.sources.scripted import ScriptedCapture
from tests.runtime.video.colours import GREEN, RED
from tests.runtime.video.commands import SIZE_HW, assert_refused, call, filmed, passing, red_and_green
from tests.runtime.video.faces_in_squares import filmed_faces, still
from tests.runtime.video.faces_in_squares import scene as scene_of
from tests.runtime.video.squares import painted

Paths = tuple[Path, Path]


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Events of the last call, one JSON object a line."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Two people who pass by."""
    return red_and_green(tmp_path / "street.mp4")


def test_events_are_json_lines_and_with_json_one_object(
    bundle_paths: Paths, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", *bundle_paths, "--source", film) == 0
    events = lines(capsys)
    assert [event["turn"] for event in events[:2]] == ["appeared", "appeared"]
    assert {event["sequence"] for event in events} == {"street"}
    assert {event["track"] for event in events} == {0, 1}
    assert sum(event["turn"] == "lost" for event in events) == 2
    assert call("run", *bundle_paths, "--source", film, "--json") == 0
    (one,) = lines(capsys)
    assert one == {"events": events}


def test_a_detector_alone_follows_faces_without_names(
    bundle_paths: Paths, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", bundle_paths[0], "--source", film, "--frames", 8) == 0
    assert {(event["turn"], event["name"]) for event in lines(capsys)} == {("appeared", None)}


def test_a_gallery_of_folders_gives_names(
    bundle_paths: Paths, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, colour in (("ada", RED), ("bob", GREEN)):
        (tmp_path / "people" / name).mkdir(parents=True)
        for number, scene in enumerate(passing(colour, 2)):
            picture = np.ascontiguousarray(painted(scene, SIZE_HW)[:, :, ::-1])
            assert cv2.imwrite(str(tmp_path / "people" / name / f"{number}.png"), picture)
    assert call("run", *bundle_paths, "--source", film, "--gallery", tmp_path / "people") == 0
    out, err = capsys.readouterr()
    assert "enrolled 2 people, in memory only" in err
    named = [event for event in map(json.loads, out.splitlines()) if event["turn"] == "identified"]
    assert {event["name"] for event in named} == {"ada", "bob"}


@pytest.mark.parametrize(
    ("options", "verdicts"),
    [pytest.param(["--liveness"], ["photograph"], id="asked-for"), pytest.param([], [], id="not-asked-for")],
)
def test_photographs_are_told_of_when_asked_for(
    bundle_paths: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], verdicts: list[str]
) -> None:
    film = filmed_faces(tmp_path / "door.mp4", [scene_of((200, 200, still()))] * 15)
    assert call("run", bundle_paths[0], "--source", film, *options) == 0
    found = [event["liveness"] for event in lines(capsys)]
    assert [liveness["verdict"] for liveness in found if liveness is not None] == verdicts


def test_two_films_are_two_cameras(
    bundle_paths: Paths, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = filmed(tmp_path / "yard.mp4", passing(GREEN, 10))
    assert call("run", *bundle_paths, "--source", film, "--source", other) == 0
    events = lines(capsys)
    tracks = {name: {e["track"] for e in events if e["sequence"] == name} for name in ("street", "yard")}
    assert len(tracks["street"]) == 2
    assert len(tracks["yard"]) == 1
    assert not tracks["street"] & tracks["yard"]


def test_a_recording_has_every_frame(bundle_paths: Paths, film: Path, tmp_path: Path) -> None:
    record = tmp_path / "out.mp4"
    assert call("run", *bundle_paths, "--source", film, "--record", record, "--pixelate", "--json") == 0
    pictures, _ = read_back(record)
    assert len(pictures) == 50
    assert pictures[0].shape == (*SIZE_HW, 3)


def test_a_state_file_is_taken_up_by_the_next_run(
    bundle_paths: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenes, state = passing(RED, 40), tmp_path / "tracks.state"
    for half in (0, 1):
        (tmp_path / str(half)).mkdir()
        filmed(tmp_path / str(half) / "street.mp4", scenes[20 * half : 20 * half + 20])
    run = ("run", *bundle_paths, "--source")
    assert call(*run, tmp_path / "0" / "street.mp4", "--snapshot", state, "--snapshot-every", 1) == 0
    assert state.stat().st_mode & 0o077 == 0
    capsys.readouterr()
    assert call(*run, tmp_path / "1" / "street.mp4", "--restore", state) == 0
    assert [event for event in lines(capsys) if event["turn"] == "appeared"] == []
    assert call(*run, tmp_path / "1" / "street.mp4") == 0
    assert [event["track"] for event in lines(capsys) if event["turn"] == "appeared"] == [0]


def test_metrics_are_served_while_it_runs(
    bundle_paths: Paths, film: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    process, answers = VideoPipeline.process, list[str]()

    def ask_first(pipeline: VideoPipeline, frames: Any) -> Any:
        if frames[0].index == 20:
            address = capsys.readouterr().err.split("metrics at ")[1].split()[0]
            with urllib.request.urlopen(address, timeout=10) as page:
                answers.append(page.read().decode())
        return process(pipeline, frames)

    monkeypatch.setattr(VideoPipeline, "process", ask_first)
    assert call("run", *bundle_paths, "--source", film, "--metrics", 0) == 0
    (page,) = answers
    assert 'crystaledge_frames_total{camera="street",processed="true"}' in page


def test_closing_the_window_ends_the_run_well(
    bundle_paths: Paths, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closing:
        def __init__(self) -> None:
            self.seen = 0

        def show(self, view: FrameView) -> None:
            self.seen += 1
            if self.seen == 5:
                raise StopShowing

        def close(self) -> None:
            self.seen = -1

    window = Closing()
    outputs_of = video_outputs.outputs_of

    def with_window(*arguments: Any) -> Any:
        sinks, say = outputs_of(*arguments)
        monkeypatch.setattr(sinks, "show", window.show)
        return sinks, say

    monkeypatch.setattr(run_video, "outputs_of", with_window)
    assert call("run", *bundle_paths, "--source", film, "--snapshot", tmp_path / "state", "--json") == 0
    assert window.seen == 5
    assert (tmp_path / "state").is_file()


def test_the_drawn_place_runs_with_its_people(bundle_paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    # The square detector does not see drawn faces; that nobody can be enrolled is said in one line.
    assert call("run", *bundle_paths, "--source", "synthetic", "--frames", 5) == 0
    capsys.readouterr()
    status = call("run", *bundle_paths, "--source", "synthetic", "--enroll-synthetic")
    assert_refused(capsys, status, "No frame shows a face")


@pytest.mark.parametrize(
    ("bundles", "arguments", "words"),
    [
        pytest.param("sc", ["--face-box", "0,0,1,1"], ["--face-box", "crops"], id="crops-option"),
        pytest.param("sc", ["--gallery-face-box", "0,0,1,1"], ["--gallery-face-box"], id="crops-gallery-option"),
        pytest.param("c", ["--record", "out.mp4"], ["--record", "finds faces"], id="record-without-detector"),
        pytest.param("c", ["--no-gate"], ["--no-gate"], id="gate-without-detector"),
        pytest.param("c", ["--metrics", "0"], ["--metrics"], id="metrics-without-detector"),
        pytest.param("c", ["--liveness"], ["--liveness", "finds faces"], id="liveness-without-detector"),
        pytest.param("c", ["--gallery-db", "x.db"], ["--gallery-db"], id="gallery-db-without-detector"),
        pytest.param("c", ["--snapshot", "s", "--snapshot-every", "3"], ["--snapshot-every"], id="timer-for-crops"),
        pytest.param("ss", [], ["expected one detector"], id="two-detectors"),
        pytest.param("cc", [], ["takes one bundle"], id="two-identities"),
        pytest.param("sc", ["--snapshot-every", "3"], ["--snapshot"], id="timer-without-a-file"),
        pytest.param("sc", ["--key-file", "k"], ["--gallery-db"], id="key-without-a-gallery"),
        pytest.param("sc", ["--enroll-synthetic"], ["--source synthetic"], id="scene-people-for-a-film"),
        pytest.param("s", ["--snapshot", "s"], ["--snapshot", "people"], id="state-of-nobody"),
        pytest.param("s", ["--gallery-db", "x.db"], ["--gallery-db", "people"], id="gallery-of-nobody"),
        pytest.param("s", ["--far", "0.01"], ["--far", "people"], id="rate-of-nobody"),
        pytest.param("sc", ["--restore", "nowhere.state"], ["cannot be read"], id="no-state-file"),
        pytest.param("sc", ["--far", "0.5"], ["false-accept rate"], id="rate-not-calibrated"),
        pytest.param("sc", ["--source", "nowhere.mp4"], ["nowhere.mp4"], id="second-source-missing"),
        pytest.param("sc", ["--graph", "none"], ["none"], id="no-such-graph"),
        pytest.param("sc", ["--graph", "track"], ["finds nothing"], id="graph-of-no-detector"),
    ],
)
def test_wrong_arguments_are_one_line(
    bundle_paths: Paths,
    film: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    bundles: str,
    arguments: list[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    named = [{"s": bundle_paths[0], "c": bundle_paths[1]}[letter] for letter in bundles]
    status = call("run", *named, "--source", film, *arguments)
    assert_refused(capsys, status, *words)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("option", ["--snapshot", "--record"])
def test_existing_files_are_kept_unless_forced(
    bundle_paths: Paths, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    mine = tmp_path / "mine.mp4"
    mine.write_bytes(b"mine")
    arguments = ("run", *bundle_paths, "--source", film, "--frames", 5, option, mine)
    assert_refused(capsys, call(*arguments), "--force")
    assert mine.read_bytes() == b"mine"
    assert call(*arguments, "--force") == 0
    assert mine.read_bytes() != b"mine"


def test_a_truncated_film_is_one_line(bundle_paths: Paths, film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 3])
    assert_refused(capsys, call("run", *bundle_paths, "--source", film), "street.mp4")


class Unplugged:
    """A camera that gives some pictures at each connection, then nothing."""

    def __init__(self, connections: list[int]) -> None:
        self._connections, self._sent = connections, 0

    def __call__(self, *ignored: object) -> ScriptedCapture | None:
        if not self._connections:
            return None
        count = self._connections.pop(0)
        scenes = passing(RED, self._sent + count)[self._sent :]
        self._sent += count
        pictures = [np.ascontiguousarray(painted(scene, SIZE_HW)[:, :, ::-1]) for scene in scenes]
        return ScriptedCapture([(picture, None) for picture in pictures])


@pytest.mark.parametrize("connections", [pytest.param([12], id="for-good"), pytest.param([6, 6], id="and-back")])
def test_a_camera_that_is_unplugged_ends_the_run_in_one_line(
    bundle_paths: Paths,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    connections: list[int],
) -> None:
    monkeypatch.setattr("crystaledge.sources.opencv.open_camera", Unplugged(connections))
    monkeypatch.setattr("crystaledge.sources.retry.Retry.delays_s", lambda retry, name: [0.0, 0.0, 0.0])
    times = iter(range(10**6))
    monkeypatch.setattr("crystaledge.sources.clock.ArrivalTime.stamp", lambda clock, position: next(times) / 10)
    monkeypatch.setattr(run_video, "Feeds", _every_frame(Feeds))
    state = tmp_path / "state"
    assert call("run", *bundle_paths, "--source", "0", "--snapshot", state) == 2
    out, err = capsys.readouterr()
    assert "camera0 is lost; trying to reconnect." in err
    assert err.strip().splitlines()[-1].startswith("crystaledge: camera0 did not come back")
    assert [event["turn"] for event in map(json.loads, out.splitlines())] == ["appeared"]
    assert state.is_file()


def _every_frame(feeds: Any) -> Any:
    """A live feed drops what comes too fast; a scripted one always does."""

    def made(sources: Any, **options: Any) -> Any:
        return feeds(sources, policy=lambda source: DropPolicy.EVERY, **options)

    return made
