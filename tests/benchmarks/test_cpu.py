"""Spreads, and a clock that runs only inside of its block."""

from __future__ import annotations

import pytest

from crystaledge_benchmarks.cpu import CpuClock, Spread


def test_a_spread_is_median_and_extremes() -> None:
    spread = Spread.of([4.0, 1.0, 2.0])
    assert (spread.median, spread.low, spread.high) == (2.0, 1.0, 4.0)
    assert spread.text(1) == "2.0 (1.0-4.0)"


def test_the_clock_adds_up_what_runs_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([1.0, 1.5, 9.0, 9.25])
    monkeypatch.setattr("time.process_time", lambda: next(now))
    clock = CpuClock()
    for _ in range(2):
        with clock:
            pass
    assert clock.total_s == 0.75
