"""Tracks come and go at random for a long time on a fake device: nothing may grow, and nothing may be left.

The test runs a part of it; `python -m tests.runtime.trt.soak 100000` runs all of it and prints what it saw.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import numpy as np

from tests.runtime.trt.lockstep import Lockstep, faces_of

MOST_TRACKS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakResult:
    """What a soak saw."""

    steps: int
    operations: int
    """Creations, resets, evictions and loads."""
    settled: dict[str, int]
    """Live objects of the driver once every bucket had been used and the store had its largest size."""
    largest: dict[str, int]
    """Most live objects after that."""
    left: dict[str, int]
    """Live objects after the engine was closed."""
    retained: int
    """How often the primary context was still held then."""
    adrift: int
    """Objects of TensorRT that were destroyed while no context was current."""


def soak(steps: int, *, seed: int = 0) -> SoakResult:
    """Take steps with random tracks in random order, on the device and on the host, which must agree in every bit."""
    random = np.random.default_rng(seed)
    both, faces = Lockstep(), faces_of(MOST_TRACKS, seed)
    for track in range(MOST_TRACKS):
        both.create(track)
    for count in range(1, 5):
        both.advance(list(range(count)), faces[:count])
    settled, largest, operations = both.driver.live, dict(both.driver.live), MOST_TRACKS
    for _ in range(steps):
        alive = both.host.tracks
        if random.random() < 0.3:
            operations += 1
            _disturb(both, random)
            alive = both.host.tracks
        if alive:
            count = int(random.integers(1, min(len(alive), 4) + 1))
            members = random.permutation(alive)[:count].tolist() if random.random() < 0.3 else list(alive[:count])
            both.advance(members, faces[:count])
        both.driver.calls.clear()
        largest = {name: max(most, both.driver.live[name]) for name, most in largest.items()}
    both.engine.close()
    return SoakResult(
        steps=steps,
        operations=operations,
        settled=settled,
        largest=largest,
        left=both.driver.live,
        retained=both.driver.retained,
        adrift=len(both.driver.adrift),
    )


def _disturb(both: Lockstep, random: np.random.Generator) -> None:
    track, seed = int(random.integers(MOST_TRACKS)), int(random.integers(100))
    if track not in both.host:
        both.create(track)
        return
    match random.integers(3):
        case 0:
            both.reset(track)
        case 1:
            both.evict(track)
        case _:
            both.load(track, seed)


if __name__ == "__main__":
    started = time.perf_counter()
    sys.stdout.write(f"{soak(int(sys.argv[1]))}\n{time.perf_counter() - started:.1f} s\n")
