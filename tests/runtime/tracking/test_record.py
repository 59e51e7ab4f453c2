"""A tracker at rest goes on as if nothing had happened; a damaged record is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystaledge.errors import StateError
from crystaledge.jsonio import dumps, loads
from crystaledge.tracking.config import TrackerConfig
from crystaledge.tracking.ids import TrackIds
from crystaledge.tracking.record import TrackerState
from crystaledge.tracking.tracker import FaceTracker
from tests.runtime.tracking.faces import faces, new_tracker, settle
from tests.runtime.tracking.test_tracker import QUICK, some_frames
from tests.support.messages import message_of


def through_json(state: TrackerState) -> TrackerState:
    return loads(TrackerState, dumps(state), where="tracks.json", error=StateError)


@given(st.integers(0, 10_000), st.integers(0, 25))
@settings(max_examples=20, deadline=None)
def test_a_resumed_tracker_says_what_the_other_says(seed: int, stop: int) -> None:
    frames = some_frames(np.random.default_rng(seed))
    tracker, ids = new_tracker(QUICK), TrackIds()
    for detections, time_s in frames[:stop]:
        tracker.update(detections, time_s)
    state = through_json(tracker.state())
    resumed = FaceTracker.resume(QUICK, ids, state)
    assert resumed.state() == state and ids.next == state.next_number
    for detections, time_s in frames[stop:]:
        one, other = tracker.update(detections, time_s), resumed.update(detections, time_s)
        assert one.numbers.tolist() == other.numbers.tolist()
        assert (one.born, one.ended, one.merged, one.lost) == (other.born, other.ended, other.merged, other.lost)


def test_numbers_go_on_above_those_of_both_runs() -> None:
    tracker, ids = new_tracker(), TrackIds(5)
    settle(tracker, (100, 100))
    resumed = FaceTracker.resume(TrackerConfig(), ids, tracker.state())
    assert resumed.update(faces((900, 100)), 9.0).born == (5,)
    ids = TrackIds()
    FaceTracker.resume(TrackerConfig(), ids, replace(tracker.state(), next_number=40))
    assert ids.take() == 40


def damage(change: Callable[[dict[str, Any]], None]) -> str:
    """The record of one track as JSON, with a change."""
    tracker = new_tracker()
    settle(tracker, (100, 100))
    value = json.loads(dumps(tracker.state()))
    change(value)
    return json.dumps(value)


def variance(index: int, value: float) -> Callable[[dict[str, Any]], None]:
    return lambda v: v["tracks"][0]["belief"].__setitem__(index, value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(lambda v: v["tracks"].append(v["tracks"][0]), "different numbers", id="twice"),
        pytest.param(lambda v: v.update(next_number=0), "below 0", id="beyond-the-next"),
        pytest.param(lambda v: v["tracks"][0]["belief"].pop(), "expected 4 + 20", id="short"),
        pytest.param(lambda v: v["tracks"][0]["observed"].append(0.0), "expected 4 + 20", id="long"),
        pytest.param(variance(8, 0.0), "variance", id="variance"),
        pytest.param(variance(17, -1.0), "variance", id="variance-of-the-speed"),
        pytest.param(variance(12, 1e9), "covariance", id="covariance"),
        pytest.param(lambda v: v["tracks"][0].update(stage=7), "expected one of", id="stage"),
        pytest.param(lambda v: v["tracks"][0].update(number=-1), "at least 0", id="number"),
    ],
)
def test_a_damaged_record_is_refused(change: Callable[[dict[str, Any]], None], told: str) -> None:
    with pytest.raises(StateError) as raised:
        loads(TrackerState, damage(change), where="tracks.json", error=StateError)
    assert told in message_of(raised)


def test_values_that_are_not_finite_are_refused() -> None:
    tracker = new_tracker()
    settle(tracker, (100, 100))
    (track,) = tracker.state().tracks
    with pytest.raises(StateError) as raised:
        replace(track, observed=(float("nan"), 0.0, 0.0, 0.0))
    assert "NaN" in message_of(raised)
