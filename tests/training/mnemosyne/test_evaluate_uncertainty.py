"""What the log-variance is worth: a comparison that must find nothing where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau
from torch import nn

from crystaledge.identity.spec import unit_vector_scoring
from crystaledge.metrics.bootstrap import resample_people
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.mnemosyne import evaluate_uncertainty
from crystaledge_training.mnemosyne.embed import Encoded, crystallize, encode_frames
from crystaledge_training.mnemosyne.evaluate_uncertainty import UncertaintyResult, measure_uncertainty
from crystaledge_training.mnemosyne.network import Mnemosyne
from crystaledge_training.mnemosyne.rollout import Trajectory
from tests.training.builders import TINY_SIZES, TINY_SPEC, scene_store, tiny_network

SCORING = unit_vector_scoring(TINY_SIZES.hidden)


@pytest.fixture(scope="module")
def store() -> FrameStore:
    """Eleven frames are one template of each size: 1 + 2 + 3 + 5."""
    return scene_store([11] * 5 + [3, 1])


def measure(network: Mnemosyne, store: FrameStore) -> UncertaintyResult:
    encoded = encode_frames(network, store.pixels, TINY_SPEC)
    draws = resample_people(len(store.names), 20, seed=0)
    return measure_uncertainty(network, encoded, store, SCORING, draws, seed=0)


def with_constant_variance(network: Mnemosyne) -> Mnemosyne:
    with torch.no_grad():
        nn.init.zeros_(network.convergence.weight)
        nn.init.constant_(network.convergence.bias, -1.0)
    return network


def test_pairs_are_those_of_one_template_of_each_size(store: FrameStore) -> None:
    # Five people have four templates each, one has two, and a person with one image has none.
    found = measure(tiny_network(), store)
    templates = 5 * 4 + 2
    assert found.pairs == templates * (templates - 1) // 2
    assert [size for size, _ in found.mean_log_variance] == [1, 2, 3, 5]


def test_templates_of_one_person_share_no_frame(store: FrameStore, monkeypatch: pytest.MonkeyPatch) -> None:
    # Else a genuine pair would compare a frame with itself.
    seen: list[NDArray[np.int64]] = []

    def watched(network: Mnemosyne, encoded: Encoded, rows: NDArray[np.int64]) -> Trajectory:
        seen.append(rows)
        return crystallize(network, encoded, rows)

    monkeypatch.setattr(evaluate_uncertainty, "crystallize", watched)
    measure(tiny_network(), store)
    used = np.concatenate([rows.ravel() for rows in seen]).tolist()
    assert [rows.shape for rows in seen] == [(6, 1), (6, 2), (5, 3), (5, 5)]
    assert len(set(used)) == len(used)
    for rows in seen:
        assert (store.person[rows] == store.person[rows[:, :1]]).all()


def test_a_constant_variance_changes_nothing(store: FrameStore) -> None:
    found = measure(with_constant_variance(tiny_network()), store)
    assert found.rank_agreement == pytest.approx(1.0, abs=1e-3)
    assert (found.auc_gain.value, found.auc_gain.low, found.auc_gain.high) == pytest.approx((0.0, 0.0, 0.0))
    for name, value in found.with_log_variance.items():
        assert value.value == pytest.approx(found.without[name].value)
    assert [value for _, value in found.mean_log_variance] == pytest.approx([-1.0] * 4)


def test_a_variance_that_varies_changes_the_order(store: FrameStore) -> None:
    network = tiny_network()
    with torch.no_grad():
        network.convergence.weight[1] *= 20.0
    found = measure(network, store)
    assert found.rank_agreement < 0.95
    difference = found.with_log_variance["auc"].value - found.without["auc"].value
    assert found.auc_gain.value == pytest.approx(difference)
    assert len({round(value, 3) for _, value in found.mean_log_variance}) == 4


def test_both_scores_see_the_same_pairs_and_rates_are_rates(store: FrameStore) -> None:
    found = measure(tiny_network(), store)
    assert set(found.with_log_variance) == set(found.without)
    for estimates in (found.with_log_variance, found.without):
        assert all(0.0 <= e.low <= e.high <= 1.0 for e in estimates.values())
    assert -1.0 <= found.rank_agreement <= 1.0


def test_is_a_function_of_the_seed(store: FrameStore) -> None:
    network = tiny_network()
    encoded = encode_frames(network, store.pixels, TINY_SPEC)
    draws = resample_people(len(store.names), 20, seed=0)
    first, again, other = (measure_uncertainty(network, encoded, store, SCORING, draws, seed=s) for s in (0, 0, 1))
    assert again == first
    assert other != first


def test_the_agreement_is_kendalls_tau_of_both_scores(store: FrameStore) -> None:
    # Kendall by its definition: concordant less discordant pairs of pairs, where nothing ties.
    a, b = np.random.default_rng(0).normal(size=(2, 30))
    wins = [np.sign(a[i] - a[j]) * np.sign(b[i] - b[j]) for i in range(30) for j in range(i)]
    assert kendalltau(a, b).statistic == pytest.approx(np.mean(wins))
