"""The baselines that crystallization has to beat, each written out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from crystaledge_training.mnemosyne.embed import Encoded, crystallize
from crystaledge_training.mnemosyne.fusion import CRYSTALLIZED, CRYSTALLIZED_COSINE, METHODS
from tests.training.builders import tiny_network

Array = NDArray[np.float64]
ROWS = np.array([[0, 1, 2], [5, 4, 3], [6, 6, 7]])


@pytest.fixture(scope="module")
def encoded() -> Encoded:
    generator = torch.Generator().manual_seed(0)
    return Encoded(torch.rand(8, 12, generator=generator) * 3, torch.rand(8, 1, generator=generator))


def unit(vector: Array) -> Array:
    divided: Array = vector / np.linalg.norm(vector)
    return divided


def fused(name: str, encoded: Encoded) -> Array:
    return METHODS[name](tiny_network(), encoded, ROWS).unit


def test_single_best_frame_is_the_one_of_highest_quality(encoded: Encoded) -> None:
    encodings, quality = encoded.encoding.double().numpy(), encoded.quality[:, 0].tolist()
    expected = [unit(encodings[max(rows, key=lambda r: quality[r])]) for rows in ROWS]
    np.testing.assert_allclose(fused("single best frame", encoded), expected, atol=1e-6)


def test_mean_of_encodings_gives_every_frame_the_same_say(encoded: Encoded) -> None:
    encodings = encoded.encoding.double().numpy()
    expected = [unit(sum((unit(encodings[r]) for r in rows), np.zeros(12))) for rows in ROWS]
    np.testing.assert_allclose(fused("mean of encodings", encoded), expected, atol=1e-6)
    longer = Encoded(encoded.encoding * torch.linspace(1.0, 9.0, 8)[:, None], encoded.quality)
    np.testing.assert_allclose(fused("mean of encodings", longer), expected, atol=1e-6)


def test_quality_weighted_mean_gives_good_frames_more_say(encoded: Encoded) -> None:
    encodings, quality = encoded.encoding.double().numpy(), encoded.quality[:, 0].double().numpy()
    expected = [unit(sum((quality[r] * unit(encodings[r]) for r in rows), np.zeros(12))) for rows in ROWS]
    np.testing.assert_allclose(fused("quality-weighted mean", encoded), expected, atol=1e-6)
    assert not np.allclose(expected, fused("mean of encodings", encoded), atol=1e-3)


def test_mean_of_one_frame_identities_has_no_memory(encoded: Encoded) -> None:
    network = tiny_network()
    single = []
    for row in range(8):
        with torch.no_grad():
            step = network.absorb(encoded.encoding[row : row + 1], encoded.quality[row : row + 1], torch.zeros(1, 8))
        single.append(unit(step.hidden[0].double().numpy()))
    expected = [unit(sum((single[r] for r in rows), np.zeros(8))) for rows in ROWS]
    np.testing.assert_allclose(fused("mean of one-frame identities", encoded), expected, atol=1e-6)
    assert not np.allclose(expected, fused(CRYSTALLIZED, encoded), atol=1e-3)


@pytest.mark.parametrize("name", [CRYSTALLIZED, CRYSTALLIZED_COSINE])
def test_crystallized_is_the_last_state_with_its_log_variance(encoded: Encoded, name: str) -> None:
    network = tiny_network()
    trajectory = crystallize(network, encoded, ROWS)
    identities = METHODS[name](network, encoded, ROWS)
    expected = [unit(hidden) for hidden in trajectory.hidden[-1].double().numpy()]
    np.testing.assert_allclose(identities.unit, expected, atol=1e-12)
    np.testing.assert_array_equal(identities.log_variance, trajectory.log_variance[-1].double().numpy())


def test_crystallization_has_six_to_beat_and_one_of_them_is_itself_by_cosine() -> None:
    # Which score each of them is compared by is checked in the tests of a whole evaluation.
    assert len(METHODS) == 7
    assert METHODS[CRYSTALLIZED] is METHODS[CRYSTALLIZED_COSINE]
    assert len(set(METHODS.values())) == 6


@pytest.mark.parametrize(("observations", "kept"), [(1, 1), (2, 2), (3, 2), (4, 3), (8, 6)])
def test_the_trimmed_mean_leaves_out_what_is_farthest(encoded: Encoded, observations: int, kept: int) -> None:
    rows = np.arange(8)[: 8 // observations * observations].reshape(-1, observations)
    found = METHODS["trimmed mean"](tiny_network(), encoded, rows).unit
    for row, unit in zip(rows, found, strict=True):
        own = normalize(encoded.encoding, dim=1)[torch.from_numpy(row)].double().numpy()
        nearest = np.argsort(-(own @ own.mean(axis=0)))[:kept]
        mean = own[nearest].mean(axis=0)
        np.testing.assert_allclose(unit, mean / np.linalg.norm(mean), atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_one_observation_is_that_observation(encoded: Encoded, name: str) -> None:
    rows = np.arange(8)[:, None]
    identities = METHODS[name](tiny_network(), encoded, rows)
    if name in (CRYSTALLIZED, CRYSTALLIZED_COSINE, "mean of one-frame identities"):
        expected = crystallize(tiny_network(), encoded, rows).hidden[-1].double().numpy()
    else:
        expected = encoded.encoding.double().numpy()
    np.testing.assert_allclose(identities.unit, [unit(row) for row in expected], atol=1e-6)
