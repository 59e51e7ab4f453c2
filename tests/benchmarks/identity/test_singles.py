"""Accuracy on pairs and shares by person, recomputed naively."""

from __future__ import annotations

import numpy as np
import pytest

from crystaledge.metrics.bootstrap import resample_people
from crystaledge_benchmarks.identity.engine_network import EngineNetwork
from crystaledge_benchmarks.identity.people import Faces, PairRows, View1
from crystaledge_benchmarks.identity.singles import measure_singles, pair_accuracy, share_by_person
from tests.benchmarks.identity.conftest import SMALL


def test_the_training_pairs_choose_the_threshold() -> None:
    angle = np.array([0.0, 0.1, 1.0, 0.0, 0.5, 0.7])
    unit = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    training = PairRows(np.array([0, 0]), np.array([1, 2]), np.array([True, False]), np.array([0, 0]))
    test = PairRows(np.array([3, 3, 3]), np.array([4, 5, 2]), np.array([True, False, False]), np.array([0, 1, 1]))
    crops = np.zeros((6, 8, 8, 3), np.uint8)
    # Halfway between the cosines of 0.1 and 1 lies that of 0.69: the second test pair is just told apart.
    assert pair_accuracy(unit, View1(crops, training, test), SMALL).value == 1.0
    moved = np.stack([np.cos(angle - 0.05 * (angle == 0.7)), np.sin(angle - 0.05 * (angle == 0.7))], axis=1)
    assert pair_accuracy(moved, View1(crops, training, test), SMALL).value == pytest.approx(2 / 3)


def test_a_person_brings_all_that_is_theirs() -> None:
    hits = np.array([True, True, True, False, True, False])
    person = np.array([0, 0, 0, 1, 2, 2])
    share = share_by_person(hits, person, SMALL)
    samples = []
    for counts in resample_people(3, SMALL.resamples, seed=SMALL.seed):
        drawn = np.concatenate([hits[person == who] for who in range(3) for _ in range(int(counts[who]))])
        samples.append(drawn.mean())
    assert share.value == pytest.approx(4 / 6)
    np.testing.assert_allclose((share.low, share.high), np.quantile(samples, (0.025, 0.975)))


def test_colours_that_differ_are_told_apart(network: EngineNetwork, faces: Faces) -> None:
    result = measure_singles(network, faces, SMALL)
    assert result.view1.value > 0.5
    # The tiny step knows only a mean colour, which a mirror image keeps.
    assert result.view1_mirrored == result.view1
    assert list(result.retrieval) == ["recall@1", "r_precision", "map@r"]
    assert result.retrieval["recall@1"].value > 0.5
    assert result.cpu_ms >= 0.0
