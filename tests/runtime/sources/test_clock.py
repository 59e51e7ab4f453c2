"""Times of frames: the container's or the backend's where they are true, and never backwards."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.sources.clock import ArrivalTime, ContainerTime, SteadyClock
from tests.runtime.sources.scripted import ScriptedClock

POSITIONS = st.one_of(st.none(), st.floats(), st.floats(-5.0, 5.0), st.just(0.0))
READINGS = st.lists(st.floats(-1e6, 1e6), min_size=1)


def stamps(rate_fps: float | None, positions_s: list[float | None]) -> list[float]:
    """Times of a whole file."""
    times = ContainerTime(rate_fps)
    return [times.stamp(position_s) for position_s in positions_s]


def test_a_variable_frame_rate_is_kept() -> None:
    positions_s: list[float | None] = [0.0, 0.04, 0.24, 0.25, 9.0]
    assert stamps(25.0, positions_s) == positions_s


@pytest.mark.parametrize(
    ("positions_s", "expected"),
    [
        pytest.param([None, None, None], [0.0, 0.1, 0.2], id="absent"),
        pytest.param([0.0, 0.0, 0.0], [0.0, 0.1, 0.2], id="always-zero"),
        pytest.param([5.0, 5.2, 0.0, 0.2], [5.0, 5.2, 5.3, 5.4], id="starts-anew"),
        pytest.param([1.0, 0.5, 3.0], [1.0, 1.1, 3.0], id="one-is-wrong"),
        pytest.param([math.nan, 0.2, math.inf, 0.5], [0.0, 0.2, 0.3, 0.5], id="not-finite"),
        pytest.param([0.0, -3e18], [0.0, 0.1], id="no-time-at-all"),
    ],
)
def test_the_nominal_rate_takes_over_where_times_fail(positions_s: list[float | None], expected: list[float]) -> None:
    assert stamps(10.0, positions_s) == pytest.approx(expected)


@pytest.mark.parametrize("rate_fps", [None, 0.0, 1e-300, -1.0, math.nan, math.inf, 90000.0])
def test_a_rate_that_cannot_be_true_is_taken_as_25(rate_fps: float | None) -> None:
    assert stamps(rate_fps, [None, None]) == pytest.approx([0.0, 0.04])


@given(st.one_of(st.none(), st.floats()), st.lists(POSITIONS))
def test_times_of_a_file_grow_strictly(rate_fps: float | None, positions_s: list[float | None]) -> None:
    found = stamps(rate_fps, positions_s)
    assert all(map(math.isfinite, found))
    assert all(earlier < later for earlier, later in pairwise(found))


def test_a_fault_of_the_container_is_told_once() -> None:
    told: list[str] = []
    times = ContainerTime(25.0, on_fault=lambda: told.append("fault"))
    times.stamp(0.0)
    assert told == []
    for _ in range(3):
        times.stamp(0.0)
    assert told == ["fault"]


@given(READINGS)
def test_a_clock_that_jumps_back_goes_on_from_where_it_was(readings_s: list[float]) -> None:
    clock = SteadyClock(ScriptedClock(readings_s))
    found = [clock() for _ in readings_s]
    forward = [max(0.0, later - earlier) for earlier, later in pairwise(readings_s)]
    assert found == pytest.approx([readings_s[0] + sum(forward[:place]) for place in range(len(readings_s))], abs=1e-6)
    assert all(earlier <= later for earlier, later in pairwise(found))


def arrivals(pairs: list[tuple[float, float | None]]) -> list[float]:
    """Times of live frames from their moments of arrival and backend positions."""
    times = ArrivalTime(ScriptedClock([arrival_s for arrival_s, _ in pairs]))
    return [times.stamp(position_s) for _, position_s in pairs]


def test_without_a_backend_time_it_is_the_arrival() -> None:
    assert arrivals([(5.0, None), (5.1, None), (5.5, None)]) == [5.0, 5.1, 5.5]


def test_a_position_that_stands_still_is_no_time() -> None:
    assert arrivals([(5.0, 0.0), (5.1, 0.0), (5.5, 0.0)]) == [5.0, 5.1, 5.5]


def test_the_spacing_is_the_backends_and_jitter_is_gone() -> None:
    delays_s = [0.0, 0.08, 0.02, 0.05, 0.0, 0.09]
    found = arrivals([(100.0 + 0.1 * n + delay_s, 7.0 + 0.1 * n) for n, delay_s in enumerate(delays_s)])
    assert found == pytest.approx([100.0 + 0.1 * n for n in range(6)], abs=1e-3)


def test_a_frame_that_travelled_faster_moves_the_anchor() -> None:
    # The first frame waited for 0.5 s in a buffer; the second shows it.
    assert arrivals([(100.5, 0.0), (100.6, 0.5), (100.7, 0.6)]) == pytest.approx([100.5, 100.6, 100.7])


def test_a_backend_that_lags_too_far_is_not_believed() -> None:
    # Pictures at 10 Hz, which the backend counts as 25 Hz.
    found = arrivals([(0.1 * n, 0.04 * n) for n in range(100)])
    assert all(0.0 <= 0.1 * n - time_s <= 1.0 + 1e-9 for n, time_s in enumerate(found))


def test_drift_between_the_clocks_is_followed() -> None:
    # A camera's clock that loses 0.1 per mille: 3 s in 30000 s.
    found = arrivals([(float(n), n * (1 - 1e-4)) for n in range(30_000)])
    assert max(abs(later - earlier - 1.0) for earlier, later in pairwise(found)) < 0.01


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), POSITIONS, st.booleans()), min_size=1))
def test_live_times_never_decrease_and_are_never_after_the_arrival(
    steps: list[tuple[float, float | None, bool]],
) -> None:
    readings_s = [reading_s for reading_s, _, _ in steps]
    host = SteadyClock(ScriptedClock(readings_s))
    times = ArrivalTime(ScriptedClock(readings_s))
    last_s = -math.inf
    for _, position_s, restart in steps:
        if restart:
            times.restart()
        arrival_s, found_s = host(), times.stamp(position_s)
        assert last_s <= found_s
        assert found_s <= arrival_s + 1e-3
        last_s = found_s
