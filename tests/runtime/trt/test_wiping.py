"""States are personal data: of a track that has ended, nothing is left on the device or where it reads and writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tests.runtime.trt.lockstep import WAY_NAMES, WAYS, Lockstep, faces_of, random_state
from tests.support.fake_cuda_device import UNTOUCHED, Bytes

PLANTED = 77
"""Seed of the state that is looked for."""


@pytest.fixture(params=WAYS, ids=WAY_NAMES)
def both(request: pytest.FixtureRequest) -> Lockstep:
    policy, capture = request.param
    return Lockstep(policy=policy, capture=capture, capacity=8)


def planted(both: Lockstep, track: int) -> list[bytes]:
    """Give a track a state that can be found again, and let it lie wherever states lie."""
    both.load(track, PLANTED)
    return [row.tobytes() for row in random_state(both.graph, PLANTED).values()]


def found(both: Lockstep, rows: list[bytes]) -> int:
    """How often the rows lie in any memory, at any place."""
    return sum(block.tobytes().count(row) for block in both.driver.blocks for row in rows)


def crowd(both: Lockstep) -> list[bytes]:
    """Five tracks, of which the second has a planted state."""
    for track in range(5):
        both.create(track)
    return planted(both, 1)


def _alone(both: Lockstep) -> None:
    both.advance([1], faces_of(1, 0))


def _with_all(both: Lockstep) -> None:
    both.advance([0, 1, 2, 3], faces_of(4, 0))


def _in_a_row_that_is_surplus_now(both: Lockstep) -> None:
    both.advance([0, 2, 3, 1], faces_of(4, 0))
    both.advance([0, 2, 3], faces_of(3, 1))


def _in_a_bucket_that_it_has_left(both: Lockstep) -> None:
    both.advance([0, 1, 2, 3], faces_of(4, 0))
    both.advance([1], faces_of(1, 1))


def _in_two_buckets_that_it_has_left(both: Lockstep) -> None:
    both.advance([0, 1, 2, 3], faces_of(4, 0))
    both.advance([1], faces_of(1, 1))
    both.advance([1, 4], faces_of(2, 2))
    both.advance([4, 0], faces_of(2, 3))


def _in_a_pool_that_was_too_small(both: Lockstep) -> None:
    both.advance([0, 1], faces_of(2, 0))
    for track in range(10, 30):
        both.create(track)


def _in_a_step_that_failed(both: Lockstep) -> None:
    both.advance([0, 2, 3, 1], faces_of(4, 0))
    assert both.refuse([1, 0], faces_of(2, 1), at=5, done=True)


def _in_a_step_that_a_restart_came_after(both: Lockstep) -> None:
    assert both.fail([0, 1, 2], faces_of(3, 0), after=2)
    both.advance([0, 1, 2, 3], faces_of(4, 1))


def _nowhere_but_on_the_host(both: Lockstep) -> None: ...


HISTORIES: list[Callable[[Lockstep], None]] = [
    _alone,
    _with_all,
    _in_a_row_that_is_surplus_now,
    _in_a_bucket_that_it_has_left,
    _in_two_buckets_that_it_has_left,
    _in_a_pool_that_was_too_small,
    _in_a_step_that_failed,
    _in_a_step_that_a_restart_came_after,
    _nowhere_but_on_the_host,
]
each_history = pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.__name__.strip("_"))


@each_history
@pytest.mark.parametrize("end", ["evict", "reset"])
def test_a_track_that_ends_leaves_nothing_of_its_states(
    history: Callable[[Lockstep], None], end: str, both: Lockstep
) -> None:
    rows = crowd(both)
    history(both)
    if history is _with_all:
        assert found(both, rows) > 0, "a state that never lay anywhere proves nothing"
    getattr(both, end)(1)
    assert found(both, rows) == 0
    others = [track for track in both.host.tracks if track != 1][:4]
    both.advance(others, faces_of(4, 9))  # who is left goes on as before
    assert found(both, rows) == 0
    both.close()


@each_history
def test_once_all_tracks_have_ended_all_memory_of_states_is_empty(
    history: Callable[[Lockstep], None], both: Lockstep
) -> None:
    """Of what never became a state too, as in a step that failed."""
    crowd(both)
    history(both)
    for track in both.host.tracks:
        both.evict(track)
    for block in memory_of_states(both):
        assert np.isin(block, (0, UNTOUCHED)).all()
    both.close()


def memory_of_states(both: Lockstep) -> Iterator[Bytes]:
    """Pools, their staging, and both buffers and the page-locked rows of each state of each step."""
    (memory,) = both.engine._memories
    for name, block in memory._staging.items():
        yield block.array
        yield both.driver.memory[memory._pool[name]]
    steps = list(both.engine._bound.values())
    for step in steps:
        for pair in both.graph.states:
            yield from (both.driver.memory[pointer] for pointer in step.buffers._pairs[pair.input])
            yield from (step.buffers._bytes[name] for name in (pair.input, pair.output))


@each_history
def test_nothing_of_states_and_frames_is_left_in_memory_that_is_freed(
    history: Callable[[Lockstep], None], both: Lockstep
) -> None:
    crowd(both)
    history(both)
    both.advance([0, 1, 2, 3], faces_of(4, 5))
    freed: list[bool] = []
    both.driver.before_free = lambda block: freed.append(bool(block.any()))
    held = len(both.driver.blocks)
    both.close()
    assert len(freed) == held > 0
    assert not any(freed)


def test_a_frame_is_found_where_it_is_not_wiped(both: Lockstep, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test above looks for is there."""
    crowd(both)
    both.advance([0, 1, 2, 3], faces_of(4, 5))
    freed: list[bool] = []
    both.driver.before_free = lambda block: freed.append(bool(block.any()))
    monkeypatch.setattr("crystaledge.engine.trt.buffers.StepBuffers.wipe", lambda buffers, stream: None)
    both.close()
    assert any(freed)


def test_other_tracks_keep_every_bit_while_one_is_wiped(both: Lockstep) -> None:
    crowd(both)
    for seed in range(4):
        both.advance([0, 1, 2, 3], faces_of(4, seed))
        both.reset(1)
        before = {track: both.device.state(track) for track in (0, 2, 3)}
        both.advance([4], faces_of(1, seed))
        for track, state in before.items():
            for name, values in state.items():
                assert np.array_equal(both.device.state(track)[name], values)
        both.advance([3, 0, 2], faces_of(3, seed + 10))
    both.close()
