"""A live source against scripts of good frames, stalls, losses and jumping clocks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.errors import DataError
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.camera import LiveSource
from crystaledge.sources.frame import Frame
from crystaledge.sources.retry import Retry
from tests.runtime.sources.scripted import ScriptedCapture, ScriptedClock, ScriptedConnect, number_of
from tests.support.messages import message_of

Script = Sequence[Sequence[float | None] | None]
POSITIONS = st.one_of(st.none(), st.floats(), st.floats(0.0, 3.0))
# Stalls are connections that open and give nothing.
SCRIPTS = st.lists(st.one_of(st.none(), st.just([]), st.lists(POSITIONS, max_size=4)), max_size=12)
GOOD = [None, None, None]


class Run:
    """All frames of a scripted camera, what it said, how long it slept and how it ended."""

    def __init__(self, script: Script, *, retry: Retry, readings_s: Sequence[float] = (0.0,)) -> None:
        self.said: list[str] = []
        self.slept_s: list[float] = []
        self.connect = ScriptedConnect(script)
        self.source = LiveSource(
            "camera0",
            self.connect,
            retry=retry,
            say=self.said.append,
            clock=ScriptedClock(readings_s),
            sleep=self.slept_s.append,
        )
        self.frames: list[Frame] = []
        with pytest.raises(DataError) as raised:
            self.frames.extend(self.source)
        self.message = message_of(raised)


def expected_numbers(script: Script, attempts: int) -> list[int]:
    """What a camera gives that tries so often after each loss, and settles with its first frame."""
    numbers: list[int] = []
    failures = 0
    for place, connection in enumerate(script):
        if connection:
            numbers.extend(range(len(numbers), len(numbers) + len(connection)))
            failures = 0
        elif place == 0 or (failures := failures + 1) == attempts:
            break
    return numbers


@given(SCRIPTS, st.integers(1, 3), st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_every_frame_comes_once_in_order_whatever_happens(
    script: Script, attempts: int, readings_s: list[float]
) -> None:
    run = Run(script, retry=Retry(attempts=attempts, settled_frames=1), readings_s=readings_s)
    expected = expected_numbers(script, attempts)
    assert [number_of(frame) for frame in run.frames] == expected
    assert [frame.index for frame in run.frames] == list(range(len(expected)))
    assert {(frame.sequence, frame.color) for frame in run.frames} <= {("camera0", ColorOrder.BGR)}
    times_s = [frame.time_s for frame in run.frames]
    assert all(a is not None and b is not None and a <= b for a, b in pairwise(times_s))
    assert all(capture.closed for capture in run.connect.captures)
    assert run.source.reconnects == sum("is there" in line for line in run.said)
    assert len(run.slept_s) == run.connect.calls - 1


def test_a_loss_and_a_return_are_a_line_each() -> None:
    run = Run([GOOD, None, [], GOOD], retry=Retry(attempts=3, settled_frames=1))
    assert run.said == [
        "camera0 is lost; trying to reconnect.",
        "camera0 is there, at attempt 3.",
        "camera0 is lost; trying to reconnect.",
    ]
    assert "camera0 did not come back to stay in 3 attempts" in run.message
    assert run.source.reconnects == 1


def test_delays_are_those_of_the_retry_and_begin_anew_after_a_return() -> None:
    retry = Retry(attempts=3, settled_frames=1)
    run = Run([GOOD, None, GOOD], retry=retry)
    delays_s = list(retry.delays_s("camera0"))
    assert run.slept_s == [*delays_s[:2], *delays_s]


def test_a_camera_that_comes_and_goes_is_given_up() -> None:
    retry = Retry(attempts=4, settled_frames=2)
    run = Run([GOOD, *([[None]] * 9)], retry=retry)
    assert [number_of(frame) for frame in run.frames] == list(range(3 + 4))
    assert run.slept_s == list(retry.delays_s("camera0"))


def test_a_camera_that_is_not_there_at_the_start_is_an_error_at_once() -> None:
    run = Run([None, GOOD], retry=Retry())
    assert (run.frames, run.slept_s, run.said) == ([], [], [])
    assert "camera0 cannot be opened or gives no picture" in run.message


def test_a_camera_may_be_waited_for() -> None:
    run = Run([None, [], GOOD], retry=Retry(attempts=2, at_start=True))
    assert len(run.frames) == 3
    assert run.said[:2] == ["camera0 is not there yet; waiting for it.", "camera0 is there, at attempt 2."]
    assert run.source.reconnects == 0


def test_none_never_gives_up() -> None:
    connect = ScriptedConnect([GOOD, *([None] * 500), GOOD])
    source = LiveSource("camera0", connect, retry=Retry(attempts=None), sleep=lambda delay_s: None)
    assert len(list(islice(source, 6))) == 6
    assert source.reconnects == 1


def test_pictures_of_another_format_end_it_with_one_error() -> None:
    capture = ScriptedCapture([(np.zeros((2, 2), np.uint16), None)])
    with pytest.raises(DataError, match="camera0 gives pictures of dtype uint16"):
        list(LiveSource("camera0", lambda: capture))
    assert capture.closed


def test_grey_and_four_channels_become_bgr() -> None:
    pictures = [np.full((2, 3), 7, np.uint8), np.full((2, 3, 4), 8, np.uint8)]
    capture = ScriptedCapture([(pixels, None) for pixels in pictures])
    frames = list(islice(LiveSource("camera0", lambda: capture), 2))
    assert [(frame.pixels.shape, frame.pixels.max()) for frame in frames] == [((2, 3, 3), 7), ((2, 3, 3), 8)]


def test_times_of_the_backend_go_on_after_a_reconnection() -> None:
    # The third connection counts on from the second's clock, and is none the less another one.
    script: Script = [[50.0, 50.1], [0.0, 0.1], [4.0, 4.1]]
    readings_s = [10.0, 10.12, 14.0, 14.15, 18.5, 18.65]
    run = Run(script, retry=Retry(attempts=1, settled_frames=1), readings_s=readings_s)
    assert [frame.time_s for frame in run.frames] == pytest.approx([10.0, 10.1, 14.0, 14.1, 18.5, 18.6], abs=1e-3)


def test_stop_ends_it_after_the_frame_under_way() -> None:
    said: list[str] = []
    connect = ScriptedConnect([GOOD, GOOD])
    source = LiveSource("camera0", connect, say=said.append)
    frames = iter(source)
    next(frames)
    source.stop()
    assert list(frames) == []
    assert connect.captures[0].closed
    assert said == []


def test_stop_while_it_is_opened_in_vain_is_no_error() -> None:
    def connect() -> None:
        source.stop()

    source = LiveSource("camera0", connect)
    assert list(source) == []


def test_stop_ends_a_wait_between_attempts() -> None:
    said: list[str] = []

    def sleep(delay_s: float) -> None:
        source.stop()

    connect = ScriptedConnect([GOOD, GOOD])
    source = LiveSource("camera0", connect, sleep=sleep, say=said.append)
    assert len(list(source)) == 3
    assert connect.calls == 1


def test_a_consumer_that_goes_away_closes_the_camera() -> None:
    connect = ScriptedConnect([GOOD])
    frames = iter(LiveSource("camera0", connect))
    next(frames)
    del frames
    assert connect.captures[0].closed
