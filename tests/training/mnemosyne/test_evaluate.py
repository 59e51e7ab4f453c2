"""A whole evaluation of an untrained network: sane, reproducible, and every number what it says."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge.errors import DataError
from crystaledge.identity.spec import COSINE, IdentityDecision, OperatingPoint
from crystaledge.metrics.bootstrap import (
    Estimate,
    ScoredPairs,
    bootstrap_verification,
    resample_people,
)
from crystaledge.metrics.verification import auc, roc_curve
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.evaluation.degraded_protocol import DegradedProtocol, degraded_rows, spoilt_views
from crystaledge_training.evaluation.templates import TemplateSet, all_pairs, draw_templates
from crystaledge_training.mnemosyne.embed import encode_frames
from crystaledge_training.mnemosyne.evaluate import Evaluation, evaluate
from crystaledge_training.mnemosyne.evaluate_accuracy import ObservationsResult
from crystaledge_training.mnemosyne.fusion import CRYSTALLIZED, METHODS
from crystaledge_training.mnemosyne.report import markdown
from tests.training.builders import TINY_SPEC, sample_decision, scene_store, tiny_network

Array = NDArray[np.float64]
RESAMPLES = 40
SEED = 3


def run(store: FrameStore, *, seed: int = SEED, decision: IdentityDecision | None = None) -> Evaluation:
    chosen = decision or sample_decision()
    return evaluate(tiny_network(), store, TINY_SPEC, chosen, resamples=RESAMPLES, seed=seed)


def scores_of(store: FrameStore, method: str, observations: int) -> tuple[Array, NDArray[np.bool_]]:
    """Scores of a method on the pairs that an evaluation draws, and which of them are genuine."""
    return _scores(store.pixels, method, draw_templates(store, observations, seed=SEED))


def degraded_scores_of(
    store: FrameStore, method: str, observations: int, protocol: DegradedProtocol
) -> tuple[Array, NDArray[np.bool_]]:
    """The same, of templates that the protocol has spoilt."""
    clean = draw_templates(store, observations, seed=SEED)
    rows = degraded_rows(clean, store.person, protocol, seed=SEED)
    views = spoilt_views(store.pixels, protocol.severity, seed=SEED)
    return _scores(views, method, TemplateSet(rows, clean.person))


def _scores(pixels: NDArray[np.uint8], method: str, templates: TemplateSet) -> tuple[Array, NDArray[np.bool_]]:
    network = tiny_network()
    pairs = all_pairs(templates)
    identities = METHODS[method](network, encode_frames(network, pixels, TINY_SPEC), templates.rows)
    scoring = sample_decision().score if method == CRYSTALLIZED else COSINE
    return identities.scores(scoring, identities)[pairs.first, pairs.second], pairs.same


@pytest.fixture(scope="module")
def store() -> FrameStore:
    """Eight people with eleven frames and two with one, who are impostors only."""
    return scene_store([11] * 8 + [1, 1])


@pytest.fixture(scope="module")
def evaluation(store: FrameStore) -> Evaluation:
    return run(store)


def at(evaluation: Evaluation, observations: int) -> ObservationsResult:
    return next(r for r in evaluation.accuracy if r.observations == observations)


def test_is_a_function_of_the_seed(store: FrameStore, evaluation: Evaluation) -> None:
    # repr: an interval that could not be computed is NaN, which equals nothing.
    assert repr(run(store)) == repr(evaluation)
    assert repr(run(store, seed=SEED + 1)) != repr(evaluation)


def test_leaves_the_network_as_it_was(store: FrameStore) -> None:
    network = tiny_network().train()
    evaluate(network, store, TINY_SPEC, sample_decision(), resamples=2, seed=0)
    assert network.training


def test_counts_people_templates_and_pairs(evaluation: Evaluation) -> None:
    assert (evaluation.people, evaluation.images) == (10, 90)
    assert (evaluation.resamples, evaluation.seed) == (RESAMPLES, SEED)
    counted = {
        r.observations: (r.people, r.genuine_people, r.templates, r.genuine_pairs, r.impostor_pairs)
        for r in evaluation.accuracy
    }
    # At one frame a person has at most ten templates; the two strangers have one each.
    singles, genuine = 8 * 10 + 2, 8 * 45
    assert counted[1] == (10, 8, singles, genuine, singles * (singles - 1) // 2 - genuine)
    assert counted[2] == (8, 8, 40, 8 * 10, 40 * 39 // 2 - 80)
    assert counted[3] == (8, 8, 24, 8 * 3, 24 * 23 // 2 - 24)
    assert counted[5] == (8, 8, 16, 8, 16 * 15 // 2 - 8)


def test_rates_are_rates_and_lie_in_their_intervals(evaluation: Evaluation) -> None:
    for result in evaluation.accuracy:
        assert [m.method for m in result.methods] == list(METHODS)
        for method in result.methods:
            assert set(method.metrics) == {
                "auc",
                "eer",
                "tar@far=0.1",
                "tar@far=0.01",
                "tar@far=0.001",
                "recall@1",
                "r_precision",
                "map@r",
            }
            for name, found in method.metrics.items():
                assert 0.0 <= found.low <= found.high <= 1.0, (method.method, name)
                assert 0.0 <= found.value <= 1.0
            assert method.metrics["auc"].low < method.metrics["auc"].high


def test_values_are_those_of_the_same_pairs_computed_by_hand(store: FrameStore, evaluation: Evaluation) -> None:
    for method in at(evaluation, 2).methods:
        scores, same = scores_of(store, method.method, 2)
        assert method.metrics["auc"].value == pytest.approx(auc(roc_curve(scores, same)))


def test_degraded_values_are_those_of_the_same_templates_by_the_protocol(
    store: FrameStore, evaluation: Evaluation
) -> None:
    assert [d.protocol.severity for d in evaluation.degraded] == [3, 5]
    for degraded in evaluation.degraded:
        assert [r.observations for r in degraded.accuracy] == [2, 3, 5]
        for result in degraded.accuracy:
            for method in result.methods:
                scores, same = degraded_scores_of(store, method.method, result.observations, degraded.protocol)
                assert method.metrics["auc"].value == pytest.approx(auc(roc_curve(scores, same)))
            clean = at(evaluation, result.observations)
            assert (result.genuine_pairs, result.impostor_pairs) == (clean.genuine_pairs, clean.impostor_pairs)
            assert result.methods[0].metrics["auc"].value != clean.methods[0].metrics["auc"].value


def test_uncertainty_is_measured_on_spoilt_frames_too(evaluation: Evaluation) -> None:
    assert 0.0 < evaluation.spoilt_share < 1.0
    assert evaluation.spoilt_uncertainty.pairs == evaluation.uncertainty.pairs
    assert evaluation.spoilt_uncertainty != evaluation.uncertainty


def test_gains_are_differences_to_crystallization_on_the_same_resamples(
    store: FrameStore, evaluation: Evaluation
) -> None:
    draws = resample_people(len(store.names), RESAMPLES, seed=SEED)
    person = draw_templates(store, 2, seed=SEED).person
    first, second = np.triu_indices(len(person), k=1)
    aucs = {}
    for name in METHODS:
        scores, same = scores_of(store, name, 2)
        aucs[name] = bootstrap_verification(ScoredPairs(scores, same, person[first], person[second]), draws)[1]["auc"]
    for method in at(evaluation, 2).methods:
        expected = np.quantile(aucs[CRYSTALLIZED] - aucs[method.method], (0.025, 0.975))
        assert (method.auc_gain.low, method.auc_gain.high) == pytest.approx(tuple(expected))
    for result in evaluation.accuracy:
        by_name = {m.method: m for m in result.methods}
        own = by_name[CRYSTALLIZED]
        assert own.auc_gain == Estimate(0.0, 0.0, 0.0)
        for method in result.methods:
            difference = own.metrics["auc"].value - method.metrics["auc"].value
            assert method.auc_gain.value == pytest.approx(difference)


def test_realised_points_apply_thresholds_that_were_chosen_elsewhere(store: FrameStore) -> None:
    wanted = {1: (0.1, 0.01), 2: (0.1,), 3: ()}
    points = tuple(
        OperatingPoint(
            observations=observations,
            false_accept_rate=rate,
            threshold=float(np.quantile(scores_of(store, CRYSTALLIZED, observations)[0], 0.8 - rate)),
            true_accept_rate=0.5,
        )
        for observations, rates in wanted.items()
        for rate in rates
    )
    found = run(store, decision=replace(sample_decision(), operating_points=points))
    for observations, rates in wanted.items():
        scores, same = scores_of(store, CRYSTALLIZED, observations)
        realised = at(found, observations).realised
        assert [p.wanted_far for p in realised] == list(rates)
        for point in realised:
            accepted = scores >= point.threshold
            assert 0.1 < accepted.mean() < 0.4  # the thresholds of this test decide something
            assert point.far == pytest.approx((accepted & ~same).sum() / (~same).sum())
            assert point.tar == pytest.approx((accepted & same).sum() / same.sum())
    assert {p.observations for r in found.accuracy for p in r.realised} == {1, 2}


def test_every_part_of_the_report_is_there(evaluation: Evaluation) -> None:
    assert evaluation.order is not None
    assert evaluation.order.people == 8
    assert [row.observation for row in evaluation.velocity] == list(range(1, 11))
    assert {s.rule for s in evaluation.stopping} == {"sprt", "velocity", "all frames"}
    assert evaluation.uncertainty.pairs > 0
    rows = [line for line in markdown(evaluation, title="all").splitlines() if line.startswith("| sprt |")]
    assert len(rows) == 2
    assert rows[1].startswith("| sprt | 0.05 | ")  # promised, then measured


def test_numbers_of_observations_without_a_genuine_pair_are_left_out() -> None:
    found = run(scene_store([5] * 4))
    assert [r.observations for r in found.accuracy] == [1, 2]
    assert found.order is None  # nobody has ten frames
    assert found.stopping == ()
    assert "Not measured: not two people have 10 images." in markdown(found, title="few")


@pytest.mark.parametrize("counts", [[1, 1, 1], [6, 1, 1]])
def test_refuses_people_without_pairs(counts: list[int]) -> None:
    with pytest.raises(DataError, match="at least 2 identities with two or more images"):
        run(scene_store(counts))


def test_two_people_with_two_images_are_enough_and_nothing_is_made_up() -> None:
    found = run(scene_store([2, 2]))
    assert [r.observations for r in found.accuracy] == [1]
    assert len(found.velocity) == 2
    # Templates of one size a person leave no genuine pair for the comparison of sizes: not measured is not 0.
    values = [e.value for e in found.uncertainty.with_log_variance.values()]
    assert all(math.isnan(value) for value in values)


def test_fewer_people_give_wider_intervals(store: FrameStore) -> None:
    few, many = (at(run(people), 1).methods[0].metrics["auc"] for people in (scene_store([11] * 3), store))
    assert few.high - few.low > many.high - many.low > 0
