"""Many steps: Mnemosyne's own graph in every generation gives ONNX Runtime's bits, and nothing grows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from crystaledge.bundle import Bundle
from crystaledge.engine.trt.cuda import HostMemory
from crystaledge.system import System
from crystaledge_benchmarks.assets import embedded_bundle
from tests.runtime.trt.lockstep import Lockstep, faces_of
from tests.runtime.trt.soak import MOST_TRACKS, soak
from tests.support.fake_tensorrt import Generation

STEPS = 1_000
MOST = 64
_FACES = 80


@pytest.mark.parametrize("generation", Generation, ids=lambda generation: generation.value)
def test_mnemosyne_gives_the_bits_of_onnxruntime_while_tracks_come_and_go(generation: Generation) -> None:
    bundle = Bundle.open(embedded_bundle(System.MNEMOSYNE))
    graph = bundle.graph()
    assert graph.batch.buckets[-1] == MOST
    policy = list(HostMemory)[list(Generation).index(generation) % 2]
    both = Lockstep(graph=(graph, bundle.graph_bytes(graph)), generation=generation, policy=policy, capacity=16)
    faces = faces_of(_FACES, 0, graph)
    random = np.random.default_rng(0)
    counts = []
    for frame, wanted in enumerate(_crowds(STEPS)):
        for gone in both.host.tracks[: max(len(both.host) - wanted, int(random.random() < 0.2 and len(both.host) > 1))]:
            both.evict(gone)
        while len(both.host) < wanted:
            both.create(int(random.integers(1 << 30)), frame=frame)
        tracks = both.host.tracks if random.random() < 0.7 else tuple(random.permutation(both.host.tracks).tolist())
        first = int(random.integers(_FACES - MOST))
        both.advance(tracks, faces[first : first + len(tracks)])
        counts.append(len(tracks))
    assert len(counts) == STEPS
    assert set(counts) == set(range(1, MOST + 1))
    both.close()


def _crowds(steps: int) -> Iterator[int]:
    """How many tracks each frame shows: mostly few, every number up to the largest bucket, and some frames alike."""
    random = np.random.default_rng(1)
    every = [1 + step * (MOST - 1) // (steps // 10 - 1) for step in range(steps // 10)]
    few = 1 + random.integers(0, 5, steps - len(every)).repeat(3)[: steps - len(every)]
    yield from (int(count) for count in (*every, *few))


def test_nothing_grows_and_nothing_is_left() -> None:
    result = soak(5_000)
    assert result.operations > 1_000
    assert result.settled == result.largest
    assert result.settled["device"] > 0 and result.settled["graphs"] == 2 * 3  # two sides of each bucket
    assert result.left == {"device": 0, "host": 0, "streams": 0, "graphs": 0}
    assert result.retained == 0
    assert MOST_TRACKS > 2 * 4, "more tracks than two calls take"
