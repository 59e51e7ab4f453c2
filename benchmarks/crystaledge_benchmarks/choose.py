"""Which graph `run` takes: the fastest that passes, and a quantized one only where it is faster for certain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.manifest.model import GraphChoice, Precision
from crystaledge_benchmarks.bench_record import Comparison, Parity, Speed, Standing, precision_label

_Z = 2.576
"""Of a two-sided 99 % interval: neighbouring rounds resemble each other, so 95 % would promise too much."""
_ALIKE = 0.05
"""Medians that are nearer than this count as alike: two sessions over the same bytes differ by up to 2 % for a whole
run, through the place of their buffers alone, which no number of rounds shows."""
_WORST_STANDING = {
    Standing.FAILED: "failed its verification",
    Standing.NOT_VERIFIED: "is not verified",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A graph with what it takes to be chosen."""

    graph: str
    precision: Precision
    parity: Parity
    samples_ms: NDArray[np.float64]
    """`(rounds,)` of its single-track step in our runtime, in the order of the rounds."""

    @property
    def p50_ms(self) -> float:
        """Median."""
        return float(np.median(self.samples_ms))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The choice with its reason, or the reason why there is none."""

    choice: GraphChoice | None
    verdict: str


def compare(contestant: Contestant, original: Contestant) -> Comparison:
    """A quantized graph against its float32 original, by the differences within each round.

    It is faster or slower where the interval of the median difference leaves out zero and the
    medians are 5 % apart.
    """
    middle, low, high = _median_interval(contestant.samples_ms - original.samples_ms)
    ratio = contestant.p50_ms / original.p50_ms
    speed = Speed.WITHIN_NOISE
    if high < 0.0 and ratio < 1.0 - _ALIKE:
        speed = Speed.FASTER
    elif low > 0.0 and ratio > 1.0 + _ALIKE:
        speed = Speed.SLOWER
    return Comparison(
        graph=contestant.graph,
        against=original.graph,
        speed=speed,
        p50_ratio=ratio,
        difference_ms=middle,
        low_ms=low,
        high_ms=high,
    )


def choose(original: Contestant, quantized: Sequence[Contestant], *, engine: str) -> Chosen:
    """Choose between a float32 graph and those made from it.

    Float32 stays unless a graph that passes is faster by more than the noise of this run. Where
    float32 does not pass, nothing made from it does.
    """
    comparisons = {q.graph: compare(q, original) for q in quantized}
    if original.parity.standing is not Standing.PASSED:
        return Chosen(choice=None, verdict=f"no graph passes, so none is chosen: {_standing(original)}")
    fit = [q for q in quantized if q.parity.standing is Standing.PASSED and comparisons[q.graph].speed is Speed.FASTER]
    best = min(fit, key=lambda q: q.p50_ms, default=original)
    others = [_sentence(q, original, comparisons[q.graph]) for q in quantized if q is not best]
    told = "; ".join([*_praise(best, original), *others]) or "it is the only graph"
    reason = f"{best.graph} ({precision_label(best.precision)}) is chosen for {engine}: {told}"
    return Chosen(choice=GraphChoice(graph=best.graph, engine=engine, reason=reason), verdict=reason)


def _praise(best: Contestant, original: Contestant) -> list[str]:
    if best is original:
        return []
    faster = _factor(original.p50_ms / best.p50_ms)
    return [f"it passed verification and is {faster} faster than {original.graph} here, {_medians(best, original)}"]


def _sentence(loser: Contestant, original: Contestant, comparison: Comparison) -> str:
    """Why a graph was not chosen: its speed always, its standing where that spoke against it."""
    name = f"{precision_label(loser.precision)} ({loser.graph})"
    if comparison.speed is Speed.WITHIN_NOISE:
        speed = "is not faster by more than the noise of this run"
    else:
        times = max(comparison.p50_ratio, 1.0 / comparison.p50_ratio)
        speed = f"is {_factor(times)} {comparison.speed.value} here"
    standing = _WORST_STANDING.get(loser.parity.standing)
    told = f"{name} {speed}, {_medians(loser, original)}"
    return told if standing is None else f"{told}, and {standing}"


def _standing(contestant: Contestant) -> str:
    parity = contestant.parity
    return f"{contestant.graph} ({precision_label(contestant.precision)}) {parity.standing.value}, {parity.says}"


def _factor(times: float) -> str:
    return f"{times:.1f} times" if times >= 1.1 else f"{(times - 1.0) * 100.0:.1f} %"


def _medians(contestant: Contestant, original: Contestant) -> str:
    return f"p50 {contestant.p50_ms:.3g} ms against {original.p50_ms:.3g} ms"


def _median_interval(differences: NDArray[np.float64]) -> tuple[float, float, float]:
    """Median of `(rounds,)` with its interval from order statistics: no distribution is assumed, nothing is drawn."""
    ordered = np.sort(differences)
    middle, half = (len(ordered) - 1) / 2.0, _Z * math.sqrt(len(ordered)) / 2.0
    low = ordered[max(math.floor(middle - half), 0)]
    high = ordered[min(math.ceil(middle + half), len(ordered) - 1)]
    return float(np.median(ordered)), float(low), float(high)
