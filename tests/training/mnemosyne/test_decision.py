"""Thresholds and likelihood fits: do they hold, on the very pairs they were chosen on, what they say?"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from crystaledge.errors import DataError
from crystaledge.identity.spec import IdentityDecision, MatchScore, Scoring
from crystaledge.jsonio import dumps, loads
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.evaluation.templates import draw_templates
from crystaledge_training.mnemosyne.decision import calibrate_decision
from crystaledge_training.mnemosyne.embed import crystallize, encode_frames
from crystaledge_training.mnemosyne.network import Mnemosyne
from tests.training.builders import TINY_SPEC, naive_match_score, scene_store, tiny_network

SEED = 5
BETWEEN, DIMENSIONS = 0.08, 6.5
SCORING = Scoring(kind=MatchScore.LIKELIHOOD_RATIO, between_variance=BETWEEN, effective_dimensions=DIMENSIONS)


@pytest.fixture(scope="module")
def network() -> Mnemosyne:
    return tiny_network()


@pytest.fixture(scope="module")
def decision(network: Mnemosyne, ten_people: FrameStore) -> IdentityDecision:
    return calibrate_decision(network, ten_people, TINY_SPEC, SCORING, seed=SEED)


def naive_scores(network: Mnemosyne, store: FrameStore, observations: int) -> tuple[list[float], list[float]]:
    """(genuine, impostor) scores of all pairs of templates, one pair at a time."""
    encoded = encode_frames(network, store.pixels, TINY_SPEC)
    templates = draw_templates(store, observations, seed=SEED)
    trajectory = crystallize(network, encoded, templates.rows)
    states = trajectory.hidden[-1].double().numpy()
    log_variance = trajectory.log_variance[-1].double().tolist()
    genuine: list[float] = []
    impostors: list[float] = []
    for i in range(len(states)):
        for j in range(i):
            score = naive_match_score(
                states[i], log_variance[i], states[j], log_variance[j], between=BETWEEN, dimensions=DIMENSIONS
            )
            (genuine if templates.person[i] == templates.person[j] else impostors).append(score)
    return genuine, impostors


def share_at_or_above(scores: list[float], threshold: float) -> float:
    return sum(s >= threshold - 1e-9 for s in scores) / len(scores)


@pytest.mark.parametrize("observations", [1, 2, 3])
def test_thresholds_realise_their_rate_and_could_not_be_lower(
    network: Mnemosyne, ten_people: FrameStore, decision: IdentityDecision, observations: int
) -> None:
    genuine, impostors = naive_scores(network, ten_people, observations)
    points = [p for p in decision.operating_points if p.observations == observations]
    assert points
    for point in points:
        assert share_at_or_above(impostors, point.threshold) <= point.false_accept_rate
        assert point.true_accept_rate == pytest.approx(share_at_or_above(genuine, point.threshold))
        lower = max(s for s in genuine + impostors if s < point.threshold - 1e-9)
        assert share_at_or_above(impostors, lower) > point.false_accept_rate


def test_only_rates_with_enough_impostors_are_promised(
    network: Mnemosyne, ten_people: FrameStore, decision: IdentityDecision
) -> None:
    # Ten impostors above a threshold, or its rate is a guess: 1,620 pairs at one frame, 405 at two,
    # 180 at three; at five there is one template a person and so no genuine pair.
    counts = {n: len(naive_scores(network, ten_people, n)[1]) for n in (1, 2, 3)}
    assert counts == {1: 1620, 2: 405, 3: 180}
    found = [(p.observations, p.false_accept_rate) for p in decision.operating_points]
    assert found == [(1, 0.1), (1, 0.01), (2, 0.1), (3, 0.1)]
    assert [f.observations for f in decision.likelihood] == [1, 2, 3]


@pytest.mark.parametrize("observations", [1, 2, 3])
def test_likelihood_fits_are_balanced_logistic_regressions(
    network: Mnemosyne, ten_people: FrameStore, decision: IdentityDecision, observations: int
) -> None:
    genuine, impostors = (np.array(s) for s in naive_scores(network, ten_people, observations))
    fit = next(f for f in decision.likelihood if f.observations == observations)
    assert fit.slope > 0

    def wrong(llr: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability given to the wrong answer, both answers being as likely beforehand."""
        result: NDArray[np.float64] = 1.0 / (1.0 + np.exp(llr))
        return result

    # Where the loss is smallest its gradient vanishes; the slope also pays scikit-learn's ridge, slope / C.
    misses = wrong(fit.slope * genuine + fit.intercept)
    accepts = wrong(-(fit.slope * impostors + fit.intercept))
    assert misses.mean() == pytest.approx(accepts.mean(), abs=1e-4)
    pairs = len(genuine) + len(impostors)
    pull = pairs / 2 * ((misses * genuine).mean() - (accepts * impostors).mean())
    assert pull == pytest.approx(fit.slope, abs=pairs * 1e-4)


def test_the_rest_of_the_decision(network: Mnemosyne, ten_people: FrameStore, decision: IdentityDecision) -> None:
    assert decision.score == SCORING
    assert decision.dimensions == network.config.hidden
    assert "10 validation people, 60 images" in decision.calibrated_on
    rules = decision.stopping
    assert rules.accept_llr == pytest.approx(math.log((1 - rules.false_reject_rate) / rules.false_accept_rate))
    assert rules.reject_llr == pytest.approx(math.log(rules.false_reject_rate / (1 - rules.false_accept_rate)))


def test_the_velocity_threshold_is_the_median_at_the_third_observation(
    network: Mnemosyne, ten_people: FrameStore, decision: IdentityDecision
) -> None:
    encoded = encode_frames(network, ten_people.pixels, TINY_SPEC)
    rows = draw_templates(ten_people, 3, seed=SEED).rows
    velocity = crystallize(network, encoded, rows).velocity[2]
    assert decision.stopping.velocity_threshold == pytest.approx(np.median(velocity.numpy()), rel=1e-6)


def test_the_velocity_threshold_takes_what_observations_there_are(network: Mnemosyne) -> None:
    store = scene_store([2] * 16)
    found = calibrate_decision(network, store, TINY_SPEC, SCORING, seed=SEED).stopping.velocity_threshold
    encoded = encode_frames(network, store.pixels, TINY_SPEC)
    velocity = crystallize(network, encoded, draw_templates(store, 2, seed=SEED).rows).velocity[1]
    assert found == pytest.approx(np.median(velocity.numpy()), rel=1e-6)


def test_is_a_function_of_the_seed_and_survives_json(
    network: Mnemosyne, ten_people: FrameStore, decision: IdentityDecision
) -> None:
    assert calibrate_decision(network, ten_people, TINY_SPEC, SCORING, seed=SEED) == decision
    assert calibrate_decision(network, ten_people, TINY_SPEC, SCORING, seed=SEED + 1) != decision
    assert loads(IdentityDecision, dumps(decision), where="test") == decision


@pytest.mark.parametrize("counts", [[1] * 20, [20], [2, 2]], ids=["no genuine", "no impostor", "too few impostors"])
def test_refuses_people_who_give_no_operating_point(network: Mnemosyne, counts: list[int]) -> None:
    with pytest.raises(DataError, match="give no operating point"):
        calibrate_decision(network, scene_store(counts), TINY_SPEC, SCORING, seed=SEED)


def test_scores_that_rank_the_wrong_way_round_say_nothing_rather_than_something_wrong() -> None:
    # Pictures are lined up along what sets them apart most, and each person gets two from far places:
    # impostor pairs may be alike, genuine ones never. A slope below 0 is not allowed; with a slope of 0
    # the only honest ratio is 1.
    network = tiny_network()
    with torch.no_grad():
        nn.init.constant_(network.convergence.bias, -6.0)  # sure of everything, so that scores are far apart
    pictures = scene_store([1] * 24).pixels
    single = np.arange(24)[:, None]
    states = crystallize(network, encode_frames(network, pictures, TINY_SPEC), single).hidden[-1].double().numpy()
    unit = states / np.linalg.norm(states, axis=1, keepdims=True)
    order = np.argsort(np.linalg.svd(unit - unit.mean(axis=0))[0][:, 0])
    both = pictures[np.stack([order[:12], order[12:]], axis=1).ravel()]
    store = FrameStore(both, np.repeat(np.arange(12), 2), tuple(f"p{i}" for i in range(12)))
    fit = calibrate_decision(network, store, TINY_SPEC, SCORING, seed=SEED).likelihood[0]
    assert fit.slope == 0.0
    assert fit.intercept == pytest.approx(0.0, abs=1e-3)


def test_a_collapsed_network_gives_a_clear_error_or_a_decision_that_can_be_written(ten_people: FrameStore) -> None:
    # All identities equal: no threshold reaches a low false-accept rate, and infinity is no JSON.
    network = tiny_network()
    with torch.no_grad():
        for tensor in network.cell.parameters():
            nn.init.zeros_(tensor)
    try:
        decision = calibrate_decision(network, ten_people, TINY_SPEC, SCORING, seed=SEED)
    except DataError:
        return
    assert loads(IdentityDecision, dumps(decision), where="test") == decision
