"""The state store against a plain dictionary, in any order of operations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from numpy.typing import NDArray

from crystaledge.errors import StateError
from crystaledge.tracks.store import StateStore
from tests.support.manifests import state_pair
from tests.support.messages import message_of

Array = NDArray[np.float32]

# Two states of different shapes and starting values; the smaller idle limit is the one that counts.
PAIRS = (
    state_pair("hidden", 3, initial=0.5, idle_limit_frames=9),
    state_pair("memory", 2, 2, initial=-1.0, idle_limit_frames=4),
)
FIRST_STATE = {pair.input: np.full(pair.shape, pair.initial, np.float32) for pair in PAIRS}

TRACKS = st.integers(-1, 6)
FRAMES = st.integers(0, 20)
VALUES = st.floats(-10, 10, width=32)


def random_state(seed: int) -> dict[str, Array]:
    """A state that no other seed gives."""
    random = np.random.default_rng(seed)
    return {pair.input: random.normal(size=pair.shape).astype(np.float32) for pair in PAIRS}


class StoreAgainstDictionary(RuleBasedStateMachine):
    """Whatever is done to the store is done to a dictionary as well."""

    def __init__(self) -> None:
        super().__init__()
        self.store = StateStore(PAIRS, capacity=2)
        self.states: dict[int, dict[str, Array]] = {}
        self.seen: dict[int, int] = {}

    @rule(track=TRACKS, frame=FRAMES)
    def create(self, track: int, frame: int) -> None:
        if track in self.states:
            with pytest.raises(StateError, match="is alive already"):
                self.store.create(track, frame=frame)
            return
        slot = self.store.create(track, frame=frame)
        assert slot == self.store.slot(track)
        self.states[track], self.seen[track] = dict(FIRST_STATE), frame

    @precondition(lambda self: self.states)
    @rule(data=st.data())
    def reset(self, data: st.DataObject) -> None:
        track = data.draw(st.sampled_from(sorted(self.states)))
        self.store.reset(track)
        self.states[track] = dict(FIRST_STATE)

    @precondition(lambda self: self.states)
    @rule(data=st.data())
    def evict(self, data: st.DataObject) -> None:
        track = data.draw(st.sampled_from(sorted(self.states)))
        self.store.evict(track)
        del self.states[track], self.seen[track]

    @precondition(lambda self: self.states)
    @rule(data=st.data(), seed=st.integers(0, 99))
    def load(self, data: st.DataObject, seed: int) -> None:
        track = data.draw(st.sampled_from(sorted(self.states)))
        self.store.load(track, random_state(seed))
        self.states[track] = random_state(seed)

    @precondition(lambda self: self.states)
    @rule(data=st.data(), seed=st.integers(0, 99))
    def write_through_the_arrays(self, data: st.DataObject, seed: int) -> None:
        # What a stepper does.
        track = data.draw(st.sampled_from(sorted(self.states)))
        for name, value in random_state(seed).items():
            self.store.arrays[name][self.store.slot(track)] = value
        self.states[track] = random_state(seed)

    @rule(data=st.data(), frame=FRAMES)
    def note_seen(self, data: st.DataObject, frame: int) -> None:
        alive = data.draw(st.sets(st.sampled_from(sorted(self.states)))) if self.states else set()
        self.store.seen(alive, frame)
        self.seen.update(dict.fromkeys(alive, frame))

    @rule(frame=FRAMES)
    def evict_idle(self, frame: int) -> None:
        expected = [track for track, seen in self.seen.items() if frame - seen > 4]
        assert sorted(self.store.evict_idle(frame)) == sorted(expected)
        for track in expected:
            del self.states[track], self.seen[track]

    @invariant()
    def the_same_tracks_are_alive_oldest_first(self) -> None:
        assert self.store.tracks == tuple(self.states)
        assert len(self.store) == len(self.states)
        assert all((track in self.store) == (track in self.states) for track in range(-1, 7))

    @invariant()
    def each_track_has_its_own_slot_state_and_time(self) -> None:
        slots = self.store.slots(self.states)
        assert len(set(slots)) == len(self.states)
        for track, expected in self.states.items():
            assert self.store.last_seen(track) == self.seen[track]
            for name, value in self.store.state(track).items():
                assert (value == expected[name]).all()

    @invariant()
    def slots_of_nobody_hold_nothing_of_anybody(self) -> None:
        used = self.store.slots(self.store.tracks)
        for pair in PAIRS:
            assert (np.delete(self.store.arrays[pair.input], used, axis=0) == pair.initial).all()


TestStoreAgainstDictionary = StoreAgainstDictionary.TestCase
TestStoreAgainstDictionary.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda store: store.reset(7), id="reset"),
        pytest.param(lambda store: store.evict(7), id="evict"),
        pytest.param(lambda store: store.slot(7), id="slot"),
        pytest.param(lambda store: store.slots([1, 7]), id="slots"),
        pytest.param(lambda store: store.last_seen(7), id="last-seen"),
        pytest.param(lambda store: store.state(7), id="state"),
        pytest.param(lambda store: store.load(7, random_state(0)), id="load"),
        pytest.param(lambda store: store.seen([7], 3), id="seen"),
    ],
)
def test_a_track_that_is_not_alive_is_refused(use: Callable[[StateStore], object]) -> None:
    store = StateStore(PAIRS)
    store.create(1)
    with pytest.raises(StateError) as raised:
        use(store)
    assert message_of(raised) == "There is no live track 7; create it first."
    assert store.tracks == (1,)
    assert store.evict_idle(100) == (1,)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("memory", None, "is nothing", id="missing"),
        pytest.param("memory", np.zeros(4, np.float32), "is float32 [4]", id="misshapen"),
        pytest.param("memory", np.zeros((2, 2)), "is float64 [2, 2]", id="float64"),
        pytest.param("memory", np.full((2, 2), np.nan, np.float32), "holds NaN, infinity", id="nan"),
        pytest.param("hidden", np.full(3, np.inf, np.float32), "holds NaN, infinity", id="infinity"),
    ],
)
def test_a_bad_state_is_refused_and_nothing_is_changed(name: str, value: Array | None, expected: str) -> None:
    store = StateStore(PAIRS)
    store.create(1)
    store.load(1, random_state(0))
    state = random_state(1)
    if value is None:
        del state[name]
    else:
        state[name] = value
    with pytest.raises(StateError) as raised:
        store.load(1, state)
    assert expected in message_of(raised)
    assert all((store.state(1)[n] == v).all() for n, v in random_state(0).items())


def test_a_state_is_handed_out_as_a_copy() -> None:
    store = StateStore(PAIRS)
    store.create(1)
    store.state(1)["hidden"][...] = 7.0
    assert (store.state(1)["hidden"] == 0.5).all()


def test_rows_that_were_too_few_are_overwritten() -> None:
    store = StateStore(PAIRS, capacity=1)
    store.create(0)
    store.load(0, random_state(0))
    small = dict(store.arrays)
    store.create(1)
    assert not any(array.any() for array in small.values())
    assert all((store.state(0)[name] == values).all() for name, values in random_state(0).items())


@pytest.mark.parametrize("capacity", [0, 1, 3])
def test_growing_keeps_every_state(capacity: int) -> None:
    store = StateStore(PAIRS, capacity=capacity)
    for track in range(20):
        store.create(track)
        store.load(track, random_state(track))
    assert sorted(store.slots(range(20))) == sorted(set(store.slots(range(20))))
    for track in range(20):
        assert all((store.state(track)[n] == v).all() for n, v in random_state(track).items())


def test_people_coming_and_going_need_no_more_room() -> None:
    store = StateStore(PAIRS, capacity=2)
    for track in range(50):
        store.create(track)
        store.evict(track)
    assert len(store.arrays["hidden"]) == 2


@pytest.mark.parametrize(
    ("frame", "gone"),
    [
        pytest.param(14, (), id="at-the-limit"),
        pytest.param(15, (1,), id="beyond-the-limit-of-one"),
        pytest.param(16, (1, 2), id="beyond-the-limit-of-both"),
    ],
)
def test_a_track_may_be_away_for_as_many_frames_as_the_smallest_limit(frame: int, gone: tuple[int, ...]) -> None:
    store = StateStore(PAIRS)
    store.create(1, frame=10)
    store.create(2, frame=0)
    store.seen([2], 11)
    assert store.evict_idle(frame) == gone
    assert store.tracks == tuple(track for track in (1, 2) if track not in gone)
