"""Ways to fuse, held against those that training compares crystallizing with."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crystaledge_benchmarks.identity.fusing import MEAN, QUALITY_WEIGHTED, TRIMMED, fusings_of, mirrored
from crystaledge_benchmarks.identity.networks import Observations
from crystaledge_training.mnemosyne.embed import Encoded
from crystaledge_training.mnemosyne.fusion import METHODS
from tests.training.builders import tiny_network

SAME = {MEAN: "mean of encodings", QUALITY_WEIGHTED: "quality-weighted mean", TRIMMED: "trimmed mean"}


def observations() -> Observations:
    random = np.random.default_rng(1)
    unit = random.normal(0, 1, (9, 4)) + 1.0
    return Observations(unit / np.linalg.norm(unit, axis=1, keepdims=True), random.uniform(0.1, 0.9, 9))


@pytest.mark.parametrize("way", list(SAME))
@pytest.mark.parametrize("length", [1, 2, 5])
def test_each_way_is_training_s(way: str, length: int) -> None:
    seen = observations()
    assert seen.quality is not None
    rows = np.random.default_rng(2).integers(0, 9, (6, length))
    encoded = Encoded(torch.from_numpy(seen.unit).float(), torch.from_numpy(seen.quality[:, None]).float())
    expected = METHODS[SAME[way]](tiny_network(), encoded, rows).unit
    np.testing.assert_allclose(fusings_of(seen)[way](seen, rows), expected, atol=1e-6)


def test_the_trimmed_mean_leaves_out_the_stranger() -> None:
    unit = np.array([[1.0, 0.0], [0.8, 0.6], [1.0, 0.0], [0.8, 0.6], [0.0, -1.0]])
    fused = fusings_of(Observations(unit, None))[TRIMMED](Observations(unit, None), np.arange(5)[None])
    expected = unit[:4].mean(axis=0)
    np.testing.assert_allclose(fused[0], expected / np.linalg.norm(expected))


def test_without_a_quality_nothing_is_weighted() -> None:
    assert list(fusings_of(Observations(observations().unit, None))) == [MEAN, TRIMMED]


def test_the_mirror_image_counts_as_much() -> None:
    seen, mirror = Observations(np.array([[1.0, 0.0]]), None), Observations(np.array([[0.0, 1.0]]), None)
    np.testing.assert_allclose(mirrored(seen, mirror), [[0.5**0.5, 0.5**0.5]])
