"""A thread and its source: nothing twice, nothing after the close, and no hanging."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.errors import DataError, UsageError
from crystaledge.sources.camera import LiveSource
from crystaledge.sources.feed import Feed
from crystaledge.sources.frame import Frame
from crystaledge.sources.mailbox import DropPolicy
from crystaledge.sources.retry import Retry
from tests.runtime.sources.scripted import HangingSource, ListSource, ScriptedConnect
from tests.support.messages import message_of


def running() -> int:
    """Threads of feeds that are alive."""
    return sum(thread.name == "crystaledge-feed" for thread in threading.enumerate())


@given(st.integers(0, 40), st.integers(1, 5))
def test_every_frame_arrives_in_order(count: int, capacity: int) -> None:
    feed = Feed(ListSource(count), policy=DropPolicy.EVERY, capacity=capacity)
    assert [frame.index for frame in feed] == list(range(count))
    assert (feed.counters.read, feed.counters.delivered, feed.counters.dropped) == (count, count, 0)
    assert feed.ended


@given(st.integers(1, 40))
def test_the_last_frame_read_is_delivered_and_none_twice(count: int) -> None:
    feed = Feed(ListSource(count), policy=DropPolicy.LATEST)
    found = [frame.index for frame in feed]
    assert all(earlier < later for earlier, later in pairwise(found))
    assert found[-1] == count - 1
    counters = feed.counters
    assert (counters.read, counters.delivered, counters.dropped) == (count, len(found), count - len(found))


def test_the_newest_frame_wins() -> None:
    source = HangingSource(50)
    with Feed(source, policy=DropPolicy.LATEST) as feed:
        source.hangs.wait()
        frame = feed.take()
        assert frame is not None and frame.index == 49
        assert feed.counters.dropped == 49
        assert feed.take(0.0) is None
        assert not feed.ended
        source.free.set()


@pytest.mark.parametrize("policy", list(DropPolicy))
def test_an_error_comes_once_after_the_frames_before_it(policy: DropPolicy) -> None:
    feed = Feed(ListSource(5, error=DataError("The lens cap is on.")), policy=policy)
    found: list[int] = []
    with pytest.raises(DataError) as raised:
        while not feed.ended:
            frame = feed.take()
            assert frame is not None
            found.append(frame.index)
    assert found[-1] == 4
    assert message_of(raised) == "The lens cap is on."
    assert feed.ended
    assert feed.take() is None


@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyboardInterrupt()])
def test_whatever_ends_the_thread_reaches_the_consumer(error: BaseException) -> None:
    with pytest.raises(type(error)):
        list(Feed(ListSource(1, error=error), policy=DropPolicy.EVERY))


class KeepingSource(ListSource):
    """Holds on to its own iterator, as a source with something to give back may."""

    def __iter__(self) -> Iterator[Frame]:
        self.frames = super().__iter__()
        return self.frames


def test_a_close_closes_the_iterator_in_its_thread() -> None:
    source = KeepingSource(10)
    feed = Feed(source, policy=DropPolicy.EVERY)
    feed.take()
    feed.close()
    assert list(source.frames) == []


def test_nothing_comes_after_the_close_and_closing_again_is_no_harm() -> None:
    feed = Feed(ListSource(10), policy=DropPolicy.EVERY, capacity=3)
    assert feed.take() is not None
    feed.close()
    feed.close()
    assert feed.ended
    assert feed.take() is None
    counters = feed.counters
    assert counters.read == counters.delivered + counters.dropped
    assert running() == 0


def test_a_close_does_not_wait_for_a_capture_that_hangs() -> None:
    source = HangingSource(1)
    feed = Feed(source, policy=DropPolicy.EVERY)
    source.hangs.wait()
    feed.close(0.01)
    assert feed.ended
    assert running() == 1
    source.free.set()
    feed.close()
    assert running() == 0
    assert feed.take() is None


def test_a_capture_that_hangs_does_not_hold_up_the_process() -> None:
    program = """
import threading
from crystaledge.sources.feed import Feed
from crystaledge.sources.mailbox import DropPolicy
class Hanging:
    def __iter__(self):
        threading.Event().wait()
        yield
Feed(Hanging(), policy=DropPolicy.LATEST).close(0.01)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_closing_ends_a_long_wait_for_a_lost_camera() -> None:
    said, lost = list[str](), threading.Event()

    def say(line: str) -> None:
        said.append(line)
        lost.set()

    retry = Retry(first_delay_s=3600.0, longest_delay_s=3600.0)
    feed = Feed(LiveSource("camera0", ScriptedConnect([[None]]), retry=retry, say=say), policy=DropPolicy.LATEST)
    lost.wait()
    feed.close()
    assert running() == 0
    assert said == ["camera0 is lost; trying to reconnect."]


def test_reconnections_are_counted() -> None:
    retry = Retry(attempts=1, settled_frames=1)
    source = LiveSource("camera0", ScriptedConnect([[None], [None], [None]]), retry=retry, sleep=lambda delay_s: None)
    feed = Feed(source, policy=DropPolicy.EVERY)
    with pytest.raises(DataError, match="did not come back"):
        list(feed)
    assert (feed.counters.delivered, feed.counters.reconnects) == (3, 2)


def test_a_consumer_that_raises_closes_the_feed() -> None:
    with pytest.raises(KeyboardInterrupt), Feed(ListSource(9), policy=DropPolicy.EVERY) as feed:
        feed.take()
        raise KeyboardInterrupt
    assert running() == 0


def test_a_feed_needs_room() -> None:
    with pytest.raises(UsageError) as raised:
        Feed(ListSource(1), policy=DropPolicy.EVERY, capacity=0)
    assert "room for at least 1 frame" in message_of(raised)
