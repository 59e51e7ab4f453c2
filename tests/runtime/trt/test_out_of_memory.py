"""A device without room for more states: what is there goes on, and nothing of the attempt stays."""

from __future__ import annotations

import pytest

from crystaledge.errors import DeviceError
from tests.runtime.test_tensorrt_engine import fake_engine
from tests.runtime.trt.lockstep import Lockstep, faces_of, two_state_bytes, two_state_spec
from tests.support.fake_cuda import FakeDriver
from tests.support.fake_tensorrt import Generation, plan_of
from tests.support.messages import message_of
from tests.support.step_graphs import HIDDEN

NOTHING = {"device": 0, "host": 0, "streams": 0, "graphs": 0}


def crowded() -> Lockstep:
    """Two tracks that have taken a step, in a store that is full, on a device that is full."""
    both = Lockstep(capacity=2)
    for track in range(2):
        both.create(track)
    both.advance([0, 1], faces_of(2, 0))
    both.driver.total_bytes = sum(map(len, both.driver.memory.values()))
    return both


def test_one_track_too_many_is_one_line_and_costs_no_state() -> None:
    both = crowded()
    with pytest.raises(DeviceError) as raised:
        both.device.create(2)
    assert "the device is out of memory: close other programs, or use fewer tracks at once." in message_of(raised)
    assert both.device.tracks == (0, 1)
    for track in both.device.tracks:
        for name, values in both.host.state(track).items():
            assert (both.device.state(track)[name] == values).all()
    both.close()


def test_tracks_that_are_there_go_on_after_one_too_many() -> None:
    both = crowded()
    with pytest.raises(DeviceError):
        both.device.create(2)
    both.advance([0, 1], faces_of(2, 1))
    both.close()


def test_a_store_that_finds_no_room_leaves_nothing_behind() -> None:
    graph = two_state_spec()
    driver = FakeDriver(total_bytes=2 * HIDDEN * 4)  # the first state of two tracks, and not the second
    plan = plan_of(two_state_bytes(), graph.batch.buckets, Generation.V10_3)
    engine = fake_engine(graph, plan, driver=driver)
    with pytest.raises(DeviceError):
        engine.state_memory(graph.states, 2)
    engine.close()
    assert driver.live == NOTHING
