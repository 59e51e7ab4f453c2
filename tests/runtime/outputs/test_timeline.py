"""Constant-rate timing against the plain rule: at each slot the file shows the frame that was newest then."""

from __future__ import annotations

import math
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.outputs.timeline import DEFAULT_FPS, Timeline, rate_of

GAPS = st.lists(st.floats(0.0, 5.0), min_size=1, max_size=40)


def played(times_s: list[float | None], fps: float) -> list[int]:
    """Numbers of the frames in the file, one a slot."""
    timeline, file = Timeline(fps), list[int]()
    for number, time_s in enumerate(times_s):
        file.extend([number - 1] * timeline.advance(time_s))
    return [*file, len(times_s) - 1]


@given(GAPS, st.floats(1.0, 120.0), st.floats(-1e6, 1e6))
def test_every_slot_shows_the_frame_that_is_newest_by_then(gaps: list[float], fps: float, start_s: float) -> None:
    times = list(accumulate(gaps, initial=start_s))
    slots = [math.floor((time - start_s) * fps + 0.5) for time in times]
    newest = [max(n for n, slot in enumerate(slots) if slot <= place) for place in range(slots[-1] + 1)]
    assert played(list(times), fps) == newest


@given(GAPS, st.floats(1.0, 120.0))
def test_the_duration_is_right_to_one_frame(gaps: list[float], fps: float) -> None:
    frames = played(list(accumulate(gaps, initial=0.0)), fps)
    assert abs(len(frames) / fps - (sum(gaps) + 1 / fps)) <= 0.5 / fps + 1e-9


def test_without_timestamps_every_frame_is_written_once() -> None:
    assert played([None] * 5, 30.0) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("later", [0.5, 100.0, math.nan, math.inf, -math.inf, None])
def test_a_clock_that_jumps_begins_anew(later: float | None) -> None:
    file = played([10.0, 10.1, later], 10.0)
    assert file == [0, 1, 2]


def test_after_a_jump_the_new_clock_counts() -> None:
    assert played([10.0, 0.0, 0.2], 10.0) == [0, 1, 1, 2]


def test_a_pause_within_a_minute_is_filled() -> None:
    assert played([0.0, 60.0], 1.0) == [0] * 60 + [1]


@pytest.mark.parametrize(
    ("times", "fps"),
    [
        pytest.param([], DEFAULT_FPS, id="none"),
        pytest.param([None, None], DEFAULT_FPS, id="no-timestamps"),
        pytest.param([3.0], DEFAULT_FPS, id="one"),
        pytest.param([0.0, 0.0], DEFAULT_FPS, id="standing-still"),
        pytest.param([0.0, 0.9, 0.94, 0.98, 1.02], 25.0, id="one-long-gap"),
        pytest.param([0.0, 1 / 30, 2 / 30], 30.0, id="thirty"),
        pytest.param([0.0, 1001 / 30000], 29.97, id="to-hundredths"),
        pytest.param([0.0, 1e-6], 120.0, id="too-fast"),
        pytest.param([0.0, 10.0], 1.0, id="too-slow"),
    ],
)
def test_the_rate_is_that_of_the_median_gap(times: list[float | None], fps: float) -> None:
    assert rate_of(times) == fps
