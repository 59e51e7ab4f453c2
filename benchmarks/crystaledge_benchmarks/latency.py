"""Latency of interleaved candidates: one run, one table, medians and tails."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles of one candidate, in milliseconds."""

    name: str
    calls: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    samples_ms: NDArray[np.float64]


def measure_interleaved(
    candidates: Mapping[str, Callable[[], object]], *, rounds: int, warmup: int = 20
) -> tuple[Latency, ...]:
    """Time candidates in turn, one call each a round, so that all of them see the same machine.

    The order within a round is shuffled (seeded): a candidate that always came after a heavy one
    would always find cold caches.

    Args:
        rounds: timed calls of each candidate.
        warmup: untimed calls of each, first.
    """
    for call in candidates.values():
        for _ in range(warmup):
            call()
    seconds = np.empty((rounds, len(candidates)))
    calls = list(candidates.values())
    orders = np.random.default_rng(0).permuted(np.tile(np.arange(len(calls)), (rounds, 1)), axis=1).tolist()
    for row, order in enumerate(orders):
        for column in order:
            call = calls[column]
            start = time.perf_counter()
            call()
            seconds[row, column] = time.perf_counter() - start
    return tuple(_summary(name, seconds[:, i] * 1e3) for i, name in enumerate(candidates))


def _summary(name: str, samples_ms: NDArray[np.float64]) -> Latency:
    p50, p90, p99 = np.percentile(samples_ms, (50, 90, 99))
    return Latency(name, len(samples_ms), float(p50), float(p90), float(p99), float(samples_ms.max()), samples_ms)
