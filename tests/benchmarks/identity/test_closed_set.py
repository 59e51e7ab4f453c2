"""Everybody is enrolled, and each other image is probed singly."""

from __future__ import annotations

import numpy as np
import pytest

from crystaledge.errors import DataError
from crystaledge_benchmarks.identity.closed_set import _split, measure_closed_set
from crystaledge_benchmarks.identity.engine_network import EngineNetwork
from crystaledge_benchmarks.identity.fusing import CRYSTALLIZED, MEAN, QUALITY_WEIGHTED, TRIMMED, mean
from crystaledge_benchmarks.identity.people import Faces
from crystaledge_training.data.frames import FrameStore
from tests.benchmarks.identity.conftest import IMAGES, SMALL


def test_nobody_is_probed_with_what_enrolled_them(faces: Faces) -> None:
    people = faces.orl
    assert people is not None
    for draw in range(2):
        enrolled, probes = _split(people, SMALL, draw)
        np.testing.assert_array_equal(people.person[enrolled], np.repeat(np.arange(4)[:, None], 5, axis=1))
        assert sorted([*enrolled.ravel(), *probes]) == list(range(4 * IMAGES))


def test_rank_1_is_counted_probe_by_probe(network: EngineNetwork, faces: Faces) -> None:
    people = faces.orl
    assert people is not None
    found = measure_closed_set(network, people, SMALL)
    assert set(found) == {CRYSTALLIZED, MEAN, QUALITY_WEIGHTED, TRIMMED}
    seen, right, state_right, total = network.look(people.pixels), 0, 0, 0
    for enrolled, probes in (_split(people, SMALL, draw) for draw in range(SMALL.draws)):
        gallery = mean(seen, enrolled)
        states, scoring = network.crystallize(people.pixels, enrolled)
        singles, _ = network.crystallize(people.pixels, probes[:, None])
        ratios = singles.scores(scoring, states)
        for number, probe in enumerate(probes):
            right += int(np.argmax(gallery @ seen.unit[probe])) == people.person[probe]
            state_right += int(np.argmax(ratios[number])) == people.person[probe]
            total += 1
    assert found[MEAN].value == pytest.approx(right / total)
    assert found[CRYSTALLIZED].value == pytest.approx(state_right / total)


def test_somebody_without_a_probe_is_an_error(network: EngineNetwork, faces: Faces) -> None:
    people = faces.orl
    assert people is not None
    short = FrameStore(people.pixels[:5], people.person[:5], people.names[:1])
    with pytest.raises(DataError, match="Somebody has 5 images; 5 to enrol and one to probe"):
        measure_closed_set(network, short, SMALL)
