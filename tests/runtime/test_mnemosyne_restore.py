"""Tracks to a file and on from there: a new process changes no bit, and takes up nothing that is not its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crystaledge.errors import StateError
from crystaledge.identity.spec import Stopping
from tests.runtime.mnemosyne_pipelines import deciding, events_of, opened, point, stillness
from tests.support.frames import drawn_frames
from tests.support.messages import message_of


def test_a_restart_changes_no_bit_and_forgets_no_record(tmp_path: Path) -> None:
    # Two sequences alive, one of them committed; the second goes on after the restart.
    bundle = deciding(tmp_path, **stillness(1.0, 3), **point(-1e9))
    film = [*drawn_frames(0, 4), *drawn_frames(1, 8, first=4)]
    cut = 6
    with opened(bundle, stopping=Stopping.VELOCITY) as pipeline:
        pipeline.enroll("ada", drawn_frames(0, 3))
        expected = events_of(pipeline, film)
    with opened(bundle, stopping=Stopping.VELOCITY) as pipeline:
        pipeline.enroll("ada", drawn_frames(0, 3))
        assert events_of(pipeline, film[:cut]) == expected[:cut]
        pipeline.snapshot(tmp_path / "tracks.state")
    with opened(bundle, stopping=Stopping.VELOCITY) as pipeline:
        pipeline.enroll("ada", drawn_frames(0, 3))
        pipeline.restore(tmp_path / "tracks.state")
        assert pipeline.store.tracks == (0, 1)
        assert events_of(pipeline, film[cut:]) == expected[cut:]
    assert any(event.crystallized for event in expected[cut:]), "no record had to be remembered"


def test_a_run_that_saw_no_frame_hands_its_tracks_on_as_they_were(tiny_bundle_path: Path, tmp_path: Path) -> None:
    film = drawn_frames(0, 8)
    with opened(tiny_bundle_path) as pipeline:
        expected = events_of(pipeline, film)
    with opened(tiny_bundle_path) as pipeline:
        events_of(pipeline, film[:5])
        pipeline.snapshot(tmp_path / "first.state")
    with opened(tiny_bundle_path) as pipeline:
        pipeline.restore(tmp_path / "first.state")
        pipeline.snapshot(tmp_path / "second.state")
    assert (tmp_path / "second.state").read_bytes() == (tmp_path / "first.state").read_bytes()
    with opened(tiny_bundle_path) as pipeline:
        pipeline.restore(tmp_path / "second.state")
        assert events_of(pipeline, film[5:]) == expected[5:]


def test_the_first_sequence_goes_on_with_the_default_tracker(tiny_bundle_path: Path, tmp_path: Path) -> None:
    film = drawn_frames(0, 8)
    with opened(tiny_bundle_path) as pipeline:
        expected = events_of(pipeline, film)
    with opened(tiny_bundle_path) as pipeline:
        events_of(pipeline, film[:5])
        pipeline.snapshot(tmp_path / "tracks.state")
    with opened(tiny_bundle_path) as pipeline:
        pipeline.restore(tmp_path / "tracks.state")
        assert events_of(pipeline, film[5:]) == expected[5:]


def test_a_state_file_is_taken_up_before_the_first_frame_only(tiny_bundle_path: Path, tmp_path: Path) -> None:
    with opened(tiny_bundle_path) as pipeline:
        events_of(pipeline, drawn_frames(0, 2))
        pipeline.snapshot(tmp_path / "tracks.state")
        with pytest.raises(StateError) as raised:
            pipeline.restore(tmp_path / "tracks.state")
    assert message_of(raised) == "Tracks are alive already; restore a state file before the first frame."


def test_the_states_of_another_graph_are_refused(tiny_bundle_path: Path, bundle_path: Path, tmp_path: Path) -> None:
    with opened(tiny_bundle_path) as pipeline:
        events_of(pipeline, drawn_frames(0, 2))
        pipeline.snapshot(tmp_path / "tracks.state")
    with opened(bundle_path) as pipeline:
        with pytest.raises(StateError, match="belongs to another graph"):
            pipeline.restore(tmp_path / "tracks.state")
        assert pipeline.store.tracks == ()


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("", id="empty"),
        pytest.param('{"records": 1}', id="no-list"),
        pytest.param('{"records": [{"track": 0, "observations": "many"}]}', id="wrong-type"),
    ],
)
def test_damaged_host_records_are_refused_and_leave_no_track(tiny_bundle_path: Path, tmp_path: Path, host: str) -> None:
    state_file = tmp_path / "tracks.state"
    with opened(tiny_bundle_path) as pipeline:
        events_of(pipeline, drawn_frames(0, 2))
        pipeline.snapshot(state_file)
    with np.load(state_file) as file:
        arrays = {name: file[name] for name in file.files}
    header = {**json.loads(arrays["header"].tobytes()), "host": host}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with state_file.open("wb") as out:
        np.savez(out, **arrays)
    with opened(tiny_bundle_path) as pipeline:
        with pytest.raises(StateError) as raised:
            pipeline.restore(state_file)
        message_of(raised)
        assert pipeline.store.tracks == ()


def test_a_stranger_in_a_later_sequence_does_not_inherit_a_restored_track(
    tiny_bundle_path: Path, tmp_path: Path
) -> None:
    with opened(tiny_bundle_path) as pipeline:
        events_of(pipeline, [*drawn_frames(0, 3), *drawn_frames(1, 3, first=3)])
        pipeline.snapshot(tmp_path / "tracks.state")
        assert len(pipeline.store.tracks) == 2
    strangers = [replace(f, sequence=f"stranger{f.index}") for f in drawn_frames(2, 3)]
    with opened(tiny_bundle_path) as pipeline:
        pipeline.restore(tmp_path / "tracks.state")
        events = events_of(pipeline, strangers)
    assert [event.observations for event in events] == [1, 1, 1]
    assert {event.track for event in events}.isdisjoint({0, 1})
