"""Several sources together: fair, the same every time for files, and no one ends the others."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.errors import DataError, UsageError
from crystaledge.scene.scene import SceneConfig, SyntheticSource
from crystaledge.sources.camera import LiveSource
from crystaledge.sources.feeds import Feeds, default_policy
from crystaledge.sources.frame import Frame, Source
from crystaledge.sources.mailbox import DropPolicy
from tests.runtime.sources.scripted import HangingSource, ListSource, ScriptedConnect
from tests.runtime.sources.test_feed import running
from tests.support.messages import message_of


def latest(source: Source) -> DropPolicy:
    """As if every source were live."""
    return DropPolicy.LATEST


@given(st.lists(st.integers(0, 7), min_size=1, max_size=4), st.integers(1, 3))
def test_files_give_one_frame_each_while_they_run(counts: list[int], capacity: int) -> None:
    sources = [ListSource(count, name=f"film{place}") for place, count in enumerate(counts)]
    found = [[(frame.sequence, frame.index) for frame in frames] for frames in Feeds(sources, capacity=capacity)]
    assert found == [
        [(f"film{place}", step) for place, count in enumerate(counts) if step < count] for step in range(max(counts))
    ]
    assert running() == 0


@given(st.lists(st.integers(1, 20), min_size=1, max_size=3))
def test_live_sources_give_at_most_one_frame_each_and_their_last(counts: list[int]) -> None:
    feeds = Feeds([ListSource(count, name=f"{place}") for place, count in enumerate(counts)], policy=latest)
    last = dict[str, int]()
    for frames in feeds:
        assert len({frame.sequence for frame in frames}) == len(frames)
        for frame in frames:
            assert last.get(frame.sequence, -1) < frame.index
            last[frame.sequence] = frame.index
    assert last == {f"{place}": count - 1 for place, count in enumerate(counts)}
    assert all(counters.read == counters.delivered + counters.dropped for counters in feeds.counters)


def test_equal_names_are_told_apart() -> None:
    found = [
        frame.sequence for frames in Feeds([ListSource(1, name="door"), ListSource(1, name="door")]) for frame in frames
    ]
    assert found == ["door", "door#2"]


def test_scenes_of_several_sequences_are_told_apart() -> None:
    scene = SceneConfig(people=2, frames_per_person=1, side_px=8)
    found = [[frame.sequence for frame in frames] for frames in Feeds([SyntheticSource(scene), SyntheticSource(scene)])]
    assert found == [["person00", "person00#2"], ["person01", "person01#2"]]


def test_a_source_that_fails_does_not_end_the_others() -> None:
    said: list[str] = []
    error = DataError("The lens cap is on.")
    feeds = Feeds([ListSource(1, name="a", error=error), ListSource(4, name="b")], say=said.append)
    found = [[frame.sequence for frame in frames] for frames in feeds]
    assert found == [["a", "b"], ["b"], ["b"], ["b"]]
    assert said == ["The lens cap is on."]
    assert feeds.failures == (error,)


def test_the_last_error_is_raised_when_every_source_has_failed() -> None:
    said: list[str] = []
    sources = [ListSource(count, error=DataError(f"Lens cap {count} is on.")) for count in (1, 2)]
    with pytest.raises(DataError) as raised:
        list(Feeds(sources, say=said.append))
    assert message_of(raised) == "Lens cap 2 is on."
    assert said == ["Lens cap 1 is on."]
    assert running() == 0


def test_a_mistake_in_a_source_is_not_taken_for_a_lost_camera() -> None:
    with pytest.raises(ZeroDivisionError):
        list(Feeds([ListSource(1, error=ZeroDivisionError()), ListSource(9)]))
    assert running() == 0


def test_live_frames_are_not_waited_for_beyond_the_limit() -> None:
    source = HangingSource(1)
    with Feeds([source], policy=latest) as feeds:
        source.hangs.wait()
        assert [frame.index for frame in feeds.gather(0.0)] == [0]
        assert feeds.gather(0.01) == []
        assert not feeds.ended
        source.free.set()
        assert [frame.index for frame in feeds.gather(60.0)] == [999]
        assert feeds.gather(60.0) == []
        assert feeds.ended
        assert feeds.gather(60.0) == []


def test_a_slow_camera_does_not_hold_up_a_quick_one() -> None:
    slow, quick = HangingSource(0, name="slow"), ListSource(30, name="quick")
    with Feeds([slow, quick], policy=latest) as feeds:
        last = -1
        while last < 29:
            last = max([last, *(frame.index for frame in feeds.gather(60.0))])
        slow.free.set()


def test_a_file_beside_a_camera_loses_nothing() -> None:
    camera = HangingSource(1, name="camera")

    def policy(source: Source) -> DropPolicy:
        return DropPolicy.LATEST if source is camera else DropPolicy.EVERY

    with Feeds([camera, ListSource(5, name="film")], policy=policy) as feeds:
        camera.hangs.wait()
        found = [frame for _ in range(6) for frame in feeds.gather(0.0)]
        camera.free.set()
    assert [frame.index for frame in found if frame.sequence == "film"] == list(range(5))
    assert [frame.index for frame in found if frame.sequence == "camera"] == [0]


class InterruptingSource(HangingSource):
    """Presses Ctrl-C once it is allowed to, instead of giving a second frame."""

    def __init__(self) -> None:
        super().__init__(1)
        self.allowed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        yield from self._frames
        self.allowed.wait()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        self.free.wait()


def test_ctrl_c_closes_all_feeds() -> None:
    interrupting, hanging = InterruptingSource(), HangingSource(1)
    with pytest.raises(KeyboardInterrupt), Feeds([interrupting, ListSource(1000), hanging]) as feeds:
        try:
            while True:
                feeds.gather()
                interrupting.allowed.set()
        finally:
            interrupting.free.set()
            hanging.free.set()
    assert feeds.ended
    assert running() == 0
    assert feeds.gather() == []


def test_one_close_is_bounded_for_all_that_hang_together() -> None:
    sources = [HangingSource(1, name=f"{place}") for place in range(3)]
    feeds = Feeds(sources)
    for source in sources:
        source.hangs.wait()
    feeds.close(0.01)
    feeds.close(0.01)
    assert feeds.ended
    for source in sources:
        source.free.set()
    feeds.close()
    assert running() == 0


class FreeingSource(LiveSource):
    """Frees another source when it is stopped itself: two cameras at one device."""

    def __init__(self, other: HangingSource) -> None:
        super().__init__("freeing", ScriptedConnect([]))
        self._other = other

    def stop(self) -> None:
        super().stop()
        self._other.free.set()


def test_all_are_stopped_before_any_is_waited_for() -> None:
    hanging = HangingSource(1)
    feeds = Feeds([hanging, FreeingSource(hanging)])
    hanging.hangs.wait()
    feeds.close(20.0)
    assert running() == 0


def test_cameras_show_the_latest_and_files_everything() -> None:
    assert default_policy(LiveSource("camera0", ScriptedConnect([]))) is DropPolicy.LATEST
    assert default_policy(ListSource(1)) is DropPolicy.EVERY


@pytest.mark.parametrize("count", [0, 2])
def test_sources_that_make_no_sense_are_refused(count: int) -> None:
    with pytest.raises(UsageError) as raised:
        Feeds([ListSource(1)] * count)
    assert f"got {count} sources" in message_of(raised)
    assert running() == 0


def test_dropped_frames_are_told_once_and_by_their_source() -> None:
    feeds = Feeds([ListSource(40, name="door"), ListSource(3, name="yard")], policy=latest)
    told = {"door": 0, "yard": 0}
    for frames in feeds:
        for frame in frames:
            told[frame.sequence] += feeds.dropped_since(frame.sequence)
    told = {name: count + feeds.dropped_since(name) for name, count in told.items()}
    assert [told["door"], told["yard"]] == [counters.dropped for counters in feeds.counters]
    assert feeds.dropped_since("door") == feeds.dropped_since("nowhere") == 0


def test_a_sequence_is_finished_once_its_source_has_ended_or_shows_another() -> None:
    scene = SyntheticSource(SceneConfig(people=2, frames_per_person=2, side_px=8))
    done = list[list[str]]()
    with Feeds([scene, ListSource(9, name="long")]) as feeds:
        for _ in range(8):
            feeds.gather()
            done.append(feeds.finished())
    assert [name for names in done for name in names] == ["person00", "person01"]
    assert done.index(["person00"]) == 2  # with the first frame of the next one
