"""States on a device against states on the host: whatever is done, both hold the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count, pairwise
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine
from crystaledge.engine.trt.cuda import HostMemory
from crystaledge.engine.trt.cuda_python import CudaPython
from crystaledge.engine.trt.states import DeviceStates, runs
from crystaledge.errors import ContractError
from tests.runtime.trt.lockstep import WAY_NAMES, WAYS, Lockstep, bits, faces_of, two_state_bytes, two_state_spec
from tests.support.fake_cuda import FakeDriver
from tests.support.messages import message_of

TRACKS = 9
"""More than two full calls of the graph."""


class DeviceAgainstHost(RuleBasedStateMachine):
    """Every operation of a store, in any order; `Lockstep` compares after each."""

    way: ClassVar[tuple[HostMemory, bool]]

    def __init__(self) -> None:
        super().__init__()
        policy, capture = self.way
        self.both = Lockstep(policy=policy, capture=capture)

    @property
    def alive(self) -> list[int]:
        return sorted(self.both.host.tracks)

    @precondition(lambda self: len(self.alive) < TRACKS)
    @rule(data=st.data())
    def create(self, data: st.DataObject) -> None:
        self.both.create(data.draw(st.sampled_from([t for t in range(TRACKS) if t not in self.alive])))

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), act=st.sampled_from(["reset", "evict"]))
    def reset_or_evict(self, data: st.DataObject, act: str) -> None:
        getattr(self.both, act)(data.draw(st.sampled_from(self.alive)))

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), seed=st.integers(0, 99))
    def load(self, data: st.DataObject, seed: int) -> None:
        self.both.load(data.draw(st.sampled_from(self.alive)), seed)

    @precondition(lambda self: self.alive)
    @rule(seed=st.integers(0, 99), times=st.integers(1, 3))
    def advance_all(self, seed: int, times: int) -> None:
        for _ in range(times):
            self.both.advance(self.alive, faces_of(len(self.alive), seed))

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), seed=st.integers(0, 99), times=st.integers(1, 3))
    def advance_some_in_any_order(self, data: st.DataObject, seed: int, times: int) -> None:
        tracks = data.draw(st.permutations(self.alive))[: data.draw(st.integers(1, TRACKS))]
        for _ in range(times):
            self.both.advance(tracks, faces_of(len(tracks), seed))

    @rule(batch=st.integers(1, 4), seed=st.integers(0, 99))
    def run_the_same_step_on_its_own(self, batch: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        feeds = {
            spec.name: random.normal(size=(batch, *spec.row_shape)).astype(np.float32)
            for spec in self.both.graph.inputs
        }
        self.both.engine.run(feeds)
        self.both.check()

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), seed=st.integers(0, 99), after=st.integers(0, 12))
    def break_the_device(self, data: st.DataObject, seed: int, after: int) -> None:
        tracks = data.draw(st.permutations(self.alive))[:4]
        self.both.fail(tracks, faces_of(len(tracks), seed), after=after)

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), seed=st.integers(0, 99), at=st.integers(0, 20), done=st.booleans())
    def refuse_a_step(self, data: st.DataObject, seed: int, at: int, done: bool) -> None:
        tracks = data.draw(st.permutations(self.alive))[:4]
        self.both.refuse(tracks, faces_of(len(tracks), seed), at=at, done=done)

    def teardown(self) -> None:
        self.both.close()


def _machine(way: tuple[HostMemory, bool]) -> Any:
    case = type("Machine", (DeviceAgainstHost,), {"way": way}).TestCase  # type: ignore[attr-defined]
    case.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
    return case


TestMappedGraphs = _machine((HostMemory.MAPPED, True))
TestMappedEager = _machine((HostMemory.MAPPED, False))
TestDeviceGraphs = _machine((HostMemory.DEVICE, True))
TestDeviceEager = _machine((HostMemory.DEVICE, False))


@pytest.fixture(params=WAYS, ids=WAY_NAMES)
def both(request: pytest.FixtureRequest) -> Iterator[Lockstep]:
    policy, capture = request.param
    lockstep = Lockstep(policy=policy, capture=capture)
    yield lockstep
    lockstep.close()


def calls_of(both: Lockstep, tracks: list[int]) -> dict[str, int]:
    """Driver calls of one step of the device alone."""
    both.stepper.stage(len(tracks))["face"][...] = 0.0
    both.driver.calls.clear()
    both.stepper.advance(tracks)
    return {name: both.driver.calls.count(name) for name in sorted(set(both.driver.calls))}


def expected_calls(both: Lockstep, *, copies: int, uploads: int = 0) -> dict[str, int]:
    """What a step is to call, with so many copies on the device and so many uploads of states."""
    captured = bool(both.stepper._plans[4].step._captured)  # type: ignore[attr-defined]
    mapped = both.engine._policy is HostMemory.MAPPED
    if captured:  # all copies of what comes and goes are in the graph
        begun, faces, results = "cuGraphLaunch", 0, 0
    else:
        begun, faces, results = "execute_async_v3", 0 if mapped else 1, 2 if mapped else 5
    counts = {begun: 1, "cuStreamSynchronize": 1, "cuMemcpyDtoDAsync": copies}
    counts |= {"cuMemcpyHtoDAsync": faces + uploads, "cuMemcpyDtoHAsync": results}
    return {name: count for name, count in sorted(counts.items()) if count}


def four_tracks(both: Lockstep) -> list[int]:
    """Four tracks in four neighbouring slots, that have taken two steps in this order."""
    for track in range(4):
        both.create(track)
    tracks = sorted(range(4), key=both.host.slot)
    for seed in (1, 2):
        both.advance(tracks, faces_of(4, seed))
    return tracks


def test_the_same_tracks_again_copy_nothing_but_their_new_states_to_the_pool(both: Lockstep) -> None:
    tracks = four_tracks(both)
    for _ in range(2):
        assert calls_of(both, tracks) == expected_calls(both, copies=2)  # one for each of two states


def test_neighbours_are_gathered_in_one_copy(both: Lockstep) -> None:
    a, b, c, d = four_tracks(both)
    # Back: 2 stretches; there: 2 stretches; for each of two states.
    assert calls_of(both, [c, d, a, b]) == expected_calls(both, copies=8)
    assert calls_of(both, [d, c, b, a]) == expected_calls(both, copies=16)
    assert calls_of(both, [d, c, b, a]) == expected_calls(both, copies=8)
    assert calls_of(both, [a, b, c, d]) == expected_calls(both, copies=4)


def test_only_tracks_that_the_host_changed_are_uploaded(both: Lockstep) -> None:
    tracks = four_tracks(both)
    for store in (both.device, both.host):
        store.reset(tracks[1])
        store.reset(tracks[3])
    assert calls_of(both, tracks) == expected_calls(both, copies=4, uploads=4)
    assert calls_of(both, tracks) == expected_calls(both, copies=2)


def test_a_step_that_ran_on_its_own_has_to_gather_again(both: Lockstep) -> None:
    tracks = four_tracks(both)
    both.engine.run(
        {spec.name: np.ones((4, *spec.row_shape), np.float32) for spec in both.graph.inputs},
    )
    assert calls_of(both, tracks) == expected_calls(both, copies=4)
    assert calls_of(both, tracks) == expected_calls(both, copies=2)


def test_a_step_that_was_timed_has_to_gather_again(both: Lockstep) -> None:
    tracks = four_tracks(both)
    both.engine.time_steps(4, 3)
    both.check()
    assert calls_of(both, tracks) == expected_calls(both, copies=4)
    both.reference.stage(4)["face"][...] = 0.0
    both.reference.advance(tracks)
    both.check()


def test_tracks_that_two_buckets_share_are_never_old_in_either(both: Lockstep) -> None:
    tracks = four_tracks(both)
    for seed, members in enumerate([tracks, tracks[:1], tracks[2:], tracks, tracks[1:2], tracks[:2], tracks]):
        both.advance(members, faces_of(len(members), seed))


def test_a_row_belongs_to_its_track_in_every_order(both: Lockstep) -> None:
    tracks, faces = four_tracks(both), faces_of(4, 7)
    for seed in range(6):
        order = np.random.default_rng(seed).permutation(4)
        both.advance([tracks[i] for i in order], faces[order])


@pytest.mark.parametrize("after", range(6))
def test_a_failing_device_leaves_the_states_of_the_last_whole_step(both: Lockstep, after: int) -> None:
    tracks = four_tracks(both)
    assert both.fail(tracks[::-1], faces_of(4, 3), after=after)
    both.advance(tracks, faces_of(4, 4))
    both.reset(tracks[0])
    both.advance(tracks, faces_of(4, 5))


@pytest.mark.parametrize("done", [True, False], ids=["done-all-the-same", "not-done"])
@pytest.mark.parametrize("gathered", [True, False], ids=["gathered", "in-place"])
def test_after_any_call_of_a_step_that_fails_the_next_step_goes_on_without_a_restart(
    both: Lockstep, done: bool, gathered: bool
) -> None:
    tracks = four_tracks(both)
    members = [tracks[3], tracks[0], tracks[2]]
    refused: set[str] = set()
    for at in count():
        both.advance(tracks if gathered else members, faces_of(4, at)[: 4 if gathered else 3])
        both.reset(members[0])  # something to upload
        if not gathered:
            both.advance(members, faces_of(3, at))
        known = {track: both.host.state(track) for track in tracks}
        name = both.refuse(members, faces_of(3, at), at=at, done=done)
        if not name:
            break
        refused.add(name)
        for track, state in known.items():
            for name, values in state.items():
                assert (bits(both.device.state(track)[name]) == bits(values)).all()
        both.advance(members, faces_of(3, at + 1))
        both.advance(tracks, faces_of(4, at + 2))
    uploads = {"cuMemcpyHtoDAsync"} if gathered else set[str]()
    assert refused >= {name for name in calls_of(both, members) if name != "cuMemcpyHtoDAsync"} | uploads
    assert both.driver.resets == 0


def test_states_that_no_step_of_the_device_can_advance_are_refused() -> None:
    both = Lockstep()
    graph, model = two_state_spec(), two_state_bytes()
    step = OnnxRuntimeEngine(graph, model).bind(1)
    with pytest.raises(ContractError) as raised:
        both.device.memory.advance(step, (), [0])
    assert message_of(raised) == "States on a device are advanced by steps of the same engine only."


def test_growing_frees_what_it_replaces() -> None:
    both = Lockstep(capacity=1)
    both.create(0)
    for track in range(1, 20):
        both.create(track)
        both.advance([track, 0], faces_of(2, track))
    # A pool of each state, and of the bucket of two: the face, three results, two buffers of each state;
    # on the host the place from where rows are brought to each pool, and all three inputs and five outputs.
    # One stream is the step's, and one the pool's.
    assert both.driver.live == {"device": 2 + 8, "host": 2 + 8, "streams": 2, "graphs": 2}
    both.close()


@given(slots=st.lists(st.integers(0, 12), unique=True, max_size=9))
def test_runs_are_the_longest_stretches(slots: list[int]) -> None:
    found = list(runs(slots))
    assert [slot + i for _, slot, count in found for i in range(count)] == slots
    assert [row + i for row, _, count in found for i in range(count)] == list(range(len(slots)))
    assert all(first + count != second for (_, first, count), (_, second, _) in pairwise(found))


def test_a_store_whose_device_broke_before_it_was_closed_touches_nothing_any_more() -> None:
    both = Lockstep()
    both.create(0)
    both.advance([0], faces_of(1, 0))
    both.driver.breaks()
    both.engine.close()
    both.driver.calls.clear()
    both.device.evict(0)
    assert both.driver.calls == []


def test_a_store_may_begin_without_room() -> None:
    Lockstep(capacity=0).close()


def test_a_store_without_states_leaves_nothing() -> None:
    driver = FakeDriver()
    cuda = CudaPython(driver=driver)
    DeviceStates(cuda, (), 3).close()
    assert not any(driver.live.values())


def test_arrays_hold_the_initial_state_before_any_step() -> None:
    driver = FakeDriver()
    pairs = (replace(two_state_spec().states[0], initial=0.25),)
    memory = DeviceStates(CudaPython(driver=driver), pairs, 3)
    assert (bits(memory.arrays["hidden"]) == bits(np.full((3, 6), 0.25, np.float32))).all()
