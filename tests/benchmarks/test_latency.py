"""Interleaved measurement: what is called, how often, in which order, and the arithmetic of the summary."""

from __future__ import annotations

import numpy as np
import pytest

from crystaledge_benchmarks.latency import measure_interleaved


def test_candidates_take_turns_in_changing_order_after_their_warmup() -> None:
    calls: list[str] = []
    measure_interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=20, warmup=2)
    assert "".join(calls[:4]) == "aabb"
    rounds = {"".join(calls[i : i + 2]) for i in range(4, 44, 2)}
    assert len(calls) == 44 and rounds == {"ab", "ba"}


def test_percentiles_are_those_of_the_samples() -> None:
    (row,) = measure_interleaved({"a": lambda: sum(range(200))}, rounds=101, warmup=0)
    ordered = np.sort(row.samples_ms)
    assert row.calls == 101
    assert row.p50_ms == ordered[50]
    assert row.p90_ms == ordered[90]
    assert row.p99_ms == ordered[99]
    assert row.max_ms == ordered[-1]


def test_an_error_of_a_candidate_is_not_swallowed() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        measure_interleaved({"broken": broken}, rounds=1)
