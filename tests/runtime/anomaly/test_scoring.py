"""One raw score and one map from what a graph says: with and without a bank on the host."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from crystaledge.anomaly.bank import Bank
from crystaledge.anomaly.scoring import Scoring, score
from crystaledge.anomaly.smoothing import smoothed
from crystaledge.errors import ContractError


def patches(seed: int = 0, height: int = 5, width: int = 7, dims: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(dims, height, width)).astype(np.float32)


@pytest.fixture
def bank() -> Bank:
    return Bank(np.random.default_rng(9).normal(size=(40, 6)).astype(np.float32))


def exact_map(features: np.ndarray, bank: Bank) -> np.ndarray:
    distances, _ = bank.nearest(features.reshape(len(features), -1).T)
    return distances.reshape(features.shape[1:])


def test_without_a_bank_the_score_is_the_smoothed_maximum() -> None:
    distance = np.abs(patches(dims=1))
    found = score(distance, None, Scoring(blur_cells=0.8))
    np.testing.assert_array_equal(found.cells, smoothed(distance[0], 0.8))
    assert found.raw == found.cells.max()
    assert score(distance, None, Scoring()).raw == distance.max()


def test_the_host_alone_finds_what_an_exact_graph_finds(bank: Bank) -> None:
    features = patches()
    alone = score(None, features, Scoring(neighbours=9, bank=bank))
    with_graph = score(exact_map(features, bank)[None], features, Scoring(neighbours=9, rerank=4, bank=bank))
    np.testing.assert_allclose(alone.cells, exact_map(features, bank), rtol=1e-5)
    assert alone.raw == pytest.approx(with_graph.raw)


def test_reranking_mends_the_peak_of_a_rounded_map(bank: Bank) -> None:
    features = patches()
    exact = exact_map(features, bank)
    rounded = np.round(exact / 0.5) * 0.5  # what eight bits may leave of it
    mended = score(rounded[None].astype(np.float32), features, Scoring(neighbours=9, rerank=12, bank=bank))
    truth = score(None, features, Scoring(neighbours=9, bank=bank))
    assert mended.raw == pytest.approx(truth.raw)
    assert np.count_nonzero(np.isclose(mended.cells, exact, rtol=1e-5)) >= 12
    unweighted = score(rounded[None].astype(np.float32), features, Scoring(rerank=12, bank=bank))
    assert unweighted.raw == pytest.approx(exact.max())


def test_the_graphs_own_map_is_not_written_to(bank: Bank) -> None:
    features = patches()
    distance = np.ones((1, 5, 7), np.float32)
    score(distance, features, Scoring(neighbours=3, rerank=5, bank=bank))
    assert (distance == 1.0).all()


@pytest.mark.parametrize("sigma", [0.3, 0.5, 1.0, 2.0])
def test_smoothing_is_scipys_gaussian(sigma: float) -> None:
    cells = np.abs(patches(dims=1)[0])
    expected = gaussian_filter(cells, sigma, mode="reflect", radius=max(1, int(np.ceil(3 * sigma))))
    np.testing.assert_allclose(smoothed(cells, sigma), expected, rtol=1e-5, atol=1e-6)


def test_refuses_weights_without_what_they_are_made_of(bank: Bank) -> None:
    distance = np.ones((1, 2, 2), np.float32)
    for features, scoring in ((None, Scoring(neighbours=3, bank=bank)), (patches(), Scoring(neighbours=3))):
        with pytest.raises(ContractError, match="needs its patches and the bank"):
            score(distance, features, scoring)
    with pytest.raises(ContractError, match="needs its patches"):
        score(None, None, Scoring())
