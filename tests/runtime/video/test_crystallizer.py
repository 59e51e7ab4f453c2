"""States of faces, from a look to a likelihood ratio, without a camera."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from crystaledge.bundle import Bundle
from crystaledge.errors import DeviceError, StateError
from crystaledge.pipeline import PipelineOptions
from crystaledge.systems.mnemosyne_crystallizer import Crystallizer, FaceLook
from crystaledge.systems.mnemosyne_records import TrackRecord
from tests.runtime.video.colours import BLUE, GREEN, INTERCEPT, RED, SLOPE
from tests.runtime.video.squares import Square, frame_of

WHOLE = np.array([0, 0, 128, 128], np.float32)
said: list[str] = []


def look(track: int, colour: tuple[int, int, int]) -> FaceLook:
    """A look at a frame full of one colour."""
    return FaceLook(frame_of(0, [Square(0, 0, 128, colour)]), track, WHOLE)


@pytest.fixture
def crystallizer(colours: Bundle) -> Iterator[Crystallizer]:
    """One with three tracks of three colours."""
    said.clear()
    made = Crystallizer(colours, PipelineOptions(say=said.append))
    for track in range(3):
        made.begin(track, sequence="door", frame=0)
    yield made
    made.close()


def test_all_tracks_go_in_batched_calls_and_keep_their_rows(crystallizer: Crystallizer) -> None:
    for track in range(3, 11):  # more than the largest batch
        crystallizer.begin(track, sequence="door", frame=0)
    shades = [(20 * track, 255 - 20 * track, 127) for track in range(11)]
    events = crystallizer.observe([look(track, shade) for track, shade in enumerate(shades)])
    assert [event.track for event in events] == list(range(11))
    for track, shade in enumerate(shades):
        expected = (np.array(shade) / 255 - 0.5) / 0.25 / 2
        np.testing.assert_allclose(crystallizer.store.state(track)["hidden"][:3], expected, atol=1e-4)


def test_similarity_is_the_ratio_of_two_tracks_and_not_known_before_a_look(crystallizer: Crystallizer) -> None:
    crystallizer.observe([look(0, RED), look(1, RED)])
    ratios = crystallizer.similarity([0, 2, 77, -1], [1, 0, 2])
    assert ratios.shape == (4, 3)
    assert ratios[0, :2] == pytest.approx([SLOPE + INTERCEPT] * 2)
    assert np.isnan(ratios[0, 2])
    assert np.isnan(ratios[1:]).all()
    crystallizer.observe([look(2, GREEN)])
    assert crystallizer.similarity([0], [2])[0, 0] < INTERCEPT
    assert crystallizer.similarity([], [0]).shape == (0, 1)


def test_learning_leaves_no_track_behind(crystallizer: Crystallizer) -> None:
    learnt = crystallizer.learn([look(0, BLUE), look(5, BLUE)])
    assert learnt is not None
    assert learnt.observations == 2
    assert crystallizer.learn([]) is None
    with pytest.raises(RuntimeError, match="source"):
        crystallizer.learn(_failing())
    assert crystallizer.store.tracks == (0, 1, 2)
    assert all(record.observations == 0 for record in crystallizer.records)


def _failing() -> Iterator[FaceLook]:
    yield look(0, BLUE)
    msg = "source"
    raise RuntimeError(msg)


def test_a_track_that_is_looked_at_anew_has_a_fresh_state(crystallizer: Crystallizer) -> None:
    crystallizer.observe([look(0, RED)])
    crystallizer.restart(0)
    assert crystallizer.record(0) == TrackRecord(track=0, sequence="door")
    assert not crystallizer.store.state(0)["hidden"].any()


def test_a_renamed_track_keeps_its_state_and_its_old_number_is_gone(crystallizer: Crystallizer) -> None:
    crystallizer.observe([look(1, RED)])
    state = crystallizer.store.state(1)["hidden"].copy()
    crystallizer.rename(1, 40)
    assert set(crystallizer.store.tracks) == {0, 2, 40}
    assert crystallizer.record(40).observations == 1
    np.testing.assert_array_equal(crystallizer.store.state(40)["hidden"], state)
    with pytest.raises(StateError):
        crystallizer.rename(0, 2)


def test_the_end_of_a_track_wipes_it_and_may_be_told_twice(crystallizer: Crystallizer) -> None:
    crystallizer.observe([look(0, RED)])
    crystallizer.end(0)
    crystallizer.end(0)
    assert 0 not in crystallizer.store
    assert [record.track for record in crystallizer.records] == [1, 2]
    assert not any(array.any() for array in crystallizer.store.arrays.values())


def test_idle_tracks_end_with_their_records(crystallizer: Crystallizer) -> None:
    crystallizer.end_idle(1000)
    assert crystallizer.records == ()
    assert crystallizer.store.tracks == ()


def test_a_device_that_fails_once_is_restarted_and_the_step_repeated(
    crystallizer: Crystallizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance, failures = crystallizer._advance, [DeviceError("The device fell off the bus.")]

    def flaky(looks: list[FaceLook]) -> object:
        if failures:
            raise failures.pop()
        return advance(looks)

    monkeypatch.setattr(crystallizer, "_advance", flaky)
    monkeypatch.setattr(crystallizer._engine, "restart", lambda: said.append("restarted"))
    (event,) = crystallizer.observe([look(0, RED)])
    assert event.track == 0
    assert said[-1] == "restarted"
    assert "fell off the bus" in said[0]
    failures += [DeviceError("Again."), DeviceError("Again.")]
    with pytest.raises(DeviceError, match="Again"):
        crystallizer.observe([look(0, RED)])


def test_states_go_to_a_file_and_back_with_their_records(
    crystallizer: Crystallizer, colours: Bundle, tmp_path: Path
) -> None:
    crystallizer.observe([look(0, RED), look(2, BLUE)])
    crystallizer.snapshot(tmp_path / "state", frame=9, host="mine")
    other = Crystallizer(colours, PipelineOptions())
    header = other.restore(tmp_path / "state")
    assert (header.frame, header.host) == (9, "mine")
    other.remember([*crystallizer.records, TrackRecord(track=99, sequence="of nobody")])
    assert other.records == crystallizer.records
    with pytest.raises(StateError, match="alive already"):
        other.restore(tmp_path / "state")
    other.close()
