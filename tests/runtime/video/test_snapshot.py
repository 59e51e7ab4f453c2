"""A run that is cut in two by a state file goes on as one that was not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crystaledge.bundle import Bundle
from crystaledge.errors import CrystalEdgeError, StateError, UsageError
from crystaledge.sources.frame import Frame
from crystaledge.video.events import FaceTurn
from crystaledge.video.options import LookPolicy, VideoOptions
from crystaledge.video.pipeline import VideoPipeline
from crystaledge.video.snapshot import restore_video, save_video
from tests.runtime.video.colours import BLUE, GREEN, RED
from tests.runtime.video.squares import Square, events_of, film, told, turns, walk

EVERY_FRAME = VideoOptions(gate=None, looks=LookPolicy(open_every_s=0.0, committed_every_s=0.0))
"""When a track was looked at last is not in a state file, so that here it is looked at in every frame."""
CUT = 15


def frames() -> list[Frame]:
    """One who stays, one who leaves before the cut and returns after it, one who comes after it."""
    scenes = []
    for i in range(60):
        scene = [Square(4 + i, 8, colour=RED)]
        if i < 10 or i >= 35:
            scene.append(Square(20 + i % 35, 60, colour=GREEN))
        if i >= 20:
            scene.append(Square(100 - i, 100, colour=BLUE))
        scenes.append(scene)
    return film(scenes)


def prepared(squares: Bundle, colours: Bundle, options: VideoOptions = EVERY_FRAME) -> VideoPipeline:
    """A pipeline that knows two of them."""
    pipeline = VideoPipeline.of(squares, colours, options)
    pipeline.enroll("ada", film(walk((40, 40), (0, 0), 2, RED), sequence="enrolment"))
    pipeline.enroll("bob", film(walk((40, 40), (0, 0), 2, GREEN), sequence="enrolment"))
    return pipeline


@pytest.fixture
def saved(squares: Bundle, colours: Bundle, tmp_path: Path) -> Path:
    """A state file in the middle of the film."""
    path = tmp_path / "tracks.state"
    with prepared(squares, colours) as pipeline:
        events_of(pipeline, frames()[:CUT])
        save_video(pipeline, path)
    return path


def test_events_and_states_go_on_as_if_nothing_had_happened(squares: Bundle, colours: Bundle, saved: Path) -> None:
    # By design not in the file: held images, the track cell's short memory, and when a face was last looked at.
    with prepared(squares, colours) as whole, prepared(squares, colours) as second:
        before = events_of(whole, frames()[:CUT])
        restore_video(second, saved)
        expected, found = events_of(whole, frames()[CUT:]), events_of(second, frames()[CUT:])
        assert turns(found) == turns(expected)
        assert [(e.name, e.observations) for e in found] == [(e.name, e.observations) for e in expected]
        assert whole.crystallizer is not None and second.crystallizer is not None
        assert second.crystallizer.store.tracks == whole.crystallizer.store.tracks
        for track in whole.crystallizer.store.tracks:
            np.testing.assert_allclose(
                second.crystallizer.store.state(track)["hidden"],
                whole.crystallizer.store.state(track)["hidden"],
                atol=1e-4,
            )
    assert {e.turn for e in expected} >= {FaceTurn.RETURNED, FaceTurn.APPEARED, FaceTurn.UNKNOWN}
    returned = told(found, FaceTurn.RETURNED)
    assert {(e.track, e.name) for e in returned} == {(told(before, FaceTurn.APPEARED)[1].track, "bob")}


def test_numbers_go_on_and_cameras_under_their_names(squares: Bundle, colours: Bundle, saved: Path) -> None:
    with prepared(squares, colours) as pipeline:
        restore_video(pipeline, saved)
        assert set(pipeline.cameras) == {"door"}
        camera = pipeline.cameras["door"]
        assert camera.told == {0, 1}
        assert pipeline.ids.next == 2
        events = events_of(pipeline, film(walk((10, 10), (3, 0), 5, BLUE), sequence="yard"))
    assert {event.track for event in events} == {2}


def test_a_state_file_of_nobody_restores(squares: Bundle, colours: Bundle, tmp_path: Path) -> None:
    with prepared(squares, colours) as pipeline:
        save_video(pipeline, tmp_path / "none.state")
    with prepared(squares, colours) as pipeline:
        restore_video(pipeline, tmp_path / "none.state")
        assert pipeline.cameras == {}


def test_without_identities_there_is_no_state_file(squares: Bundle, saved: Path, tmp_path: Path) -> None:
    with VideoPipeline.of(squares, None) as pipeline:
        with pytest.raises(UsageError, match="tells them apart"):
            save_video(pipeline, tmp_path / "none.state")
        with pytest.raises(UsageError, match="tells them apart"):
            restore_video(pipeline, saved)
    assert not (tmp_path / "none.state").exists()


def test_once_cameras_run_nothing_is_restored(squares: Bundle, colours: Bundle, saved: Path) -> None:
    with prepared(squares, colours) as pipeline:
        events_of(pipeline, film([[]], sequence="other"))
        with pytest.raises(StateError, match="before the first frame"):
            restore_video(pipeline, saved)
        assert set(pipeline.cameras) == {"other"}


def _header(values: dict[str, np.ndarray]) -> dict:  # type: ignore[type-arg]
    header: dict = json.loads(values["header"].tobytes())  # type: ignore[type-arg]
    return header


def _with_host(path: Path, change: str) -> None:
    """Spoil the host's part of a state file in one way."""
    with np.load(path) as file:
        values = {name: file[name] for name in file.files}
    header = _header(values)
    host = json.loads(header["host"])
    tracks = host["cameras"][0]["tracker"]["tracks"]
    match change:
        case "no cameras":
            del host["cameras"]
        case "bad stage":
            tracks[0]["stage"] = 9
        case "number twice":
            tracks.append(tracks[0])
        case "no numbers left":
            host["cameras"][0]["tracker"]["next_number"] = 0
        case "negative variance":
            tracks[-1]["belief"] = [-1.0] * 20
        case "second camera damaged":
            other = json.loads(json.dumps(host["cameras"][0]))
            other["sequence"] = "other"
            other["tracker"]["tracks"][0]["observed"] = []
            host["cameras"].append(other)
        case "bad records":
            host["records"] = [{"track": 0}]
        case "no JSON":
            pass
    header["host"] = "{" if change == "no JSON" else json.dumps(host)
    values["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with path.open("wb") as file:
        np.savez(file, **values)


@pytest.mark.parametrize(
    "change",
    [
        "no cameras",
        "bad stage",
        "number twice",
        "no numbers left",
        "negative variance",
        "second camera damaged",
        "bad records",
        "no JSON",
    ],
)
def test_a_damaged_file_leaves_the_pipeline_as_it_was(
    squares: Bundle, colours: Bundle, saved: Path, change: str
) -> None:
    _with_host(saved, change)
    with prepared(squares, colours) as pipeline:
        with pytest.raises(StateError):
            restore_video(pipeline, saved)
        assert pipeline.cameras == {}
        assert pipeline.crystallizer is not None
        assert pipeline.crystallizer.store.tracks == ()
        assert pipeline.crystallizer.records == ()
        events = events_of(pipeline, frames()[:CUT])
    assert told(events, FaceTurn.APPEARED)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(squares: Bundle, colours: Bundle, saved: Path, share: float) -> None:
    saved.write_bytes(saved.read_bytes()[: int(share * saved.stat().st_size)])
    with prepared(squares, colours) as pipeline:
        with pytest.raises(CrystalEdgeError, match="cannot be read"):
            restore_video(pipeline, saved)
        assert pipeline.cameras == {}


def test_the_file_is_for_its_owner_alone(saved: Path) -> None:
    assert saved.stat().st_mode & 0o077 == 0
