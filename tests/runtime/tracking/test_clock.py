"""Time that never runs back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.errors import UsageError
from crystaledge.tracking.clock import Clock
from tests.support.messages import message_of


@given(st.lists(st.floats(-1e9, 1e9), min_size=1))
def test_the_steps_forward_are_added_up(times: list[float]) -> None:
    clock, expected = Clock(), 0.0
    for before, now in zip([None, *times], times, strict=False):
        expected += 0.0 if before is None else max(0.0, now - before)
        assert clock.at(now) == expected == clock.advance(now) == clock.now_s
    assert clock.source_s == times[-1]


def test_asking_changes_nothing() -> None:
    clock = Clock(now_s=3.0, source_s=10.0)
    assert clock.at(12.0) == 5.0
    assert (clock.now_s, clock.source_s) == (3.0, 10.0)


@pytest.mark.parametrize("time_s", [math.nan, math.inf, -math.inf])
def test_no_time_is_refused(time_s: float) -> None:
    clock = Clock(now_s=1.0, source_s=2.0)
    with pytest.raises(UsageError) as raised:
        clock.advance(time_s)
    assert "finite" in message_of(raised)
    assert (clock.now_s, clock.source_s) == (1.0, 2.0)
