"""Stopping rules: looks, errors and their intervals against a second measurement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crystaledge.identity.spec import IdentityDecision
from crystaledge.metrics.bootstrap import Array, Estimate, resample_people
from crystaledge_training.mnemosyne import evaluate_stopping
from crystaledge_training.mnemosyne.embed import crystallize
from crystaledge_training.mnemosyne.evaluate_stopping import DRAWS, StoppingResult, measure_stopping
from crystaledge_training.mnemosyne.stopping_claims import Claim, draw_claims
from tests.training.builders import numbered_store, sample_decision, tiny_network
from tests.training.mnemosyne.encodings import random_encodings

ALWAYS, NEVER = 1e9, -1e9
"""As an intercept of the likelihood ratio: certain of the same person, or of another."""
DRAWN = resample_people(6, 30, seed=0)


def measure(
    decision: IdentityDecision, *, counts: tuple[int, ...] = (10,) * 6, seed: int = 0, one_a_person: bool = True
) -> dict[str, StoppingResult]:
    store, network = numbered_store(counts), tiny_network()
    encoded = random_encodings(store, network, one_a_person=one_a_person)
    return {r.rule: r for r in measure_stopping(network, encoded, store, decision, DRAWN, seed=seed)}


def claims_of(decision: IdentityDecision, *, seed: int = 0) -> list[Claim]:
    """Those that `measure` pools, drawn again."""
    store, network = numbered_store((10,) * 6), tiny_network()
    encoded = random_encodings(store, network, one_a_person=False)
    return [
        claim
        for draw in range(DRAWS)
        for claim in draw_claims(network, encoded, store, decision.score, seed=(seed, draw))
    ]


def values(*estimates: Estimate) -> tuple[float, ...]:
    return tuple(e.value for e in estimates)


def test_claims_of_all_draws_are_pooled() -> None:
    for result in measure(sample_decision(), counts=(10, 10, 10, 10, 9, 1)).values():
        assert (result.people, result.genuine, result.impostors) == (4, DRAWS * 4, DRAWS * 12)


def test_is_not_measured_where_not_two_people_have_ten_images() -> None:
    assert measure(sample_decision(), counts=(10, 9, 9, 9, 9, 9)) == {}


def test_looking_at_all_frames_commits_to_nothing_and_saves_nothing() -> None:
    accept_all, accept_none = (measure(sample_decision(threshold=t))["all frames"] for t in (-1e9, 1e9))
    for result in (accept_all, accept_none):
        assert (result.committed_genuine, result.committed_impostors) == (0.0, 0.0)
        assert result.looks_genuine == result.looks_impostors == Estimate(5.0, 5.0, 5.0)
        assert values(result.saved_genuine, result.saved_impostors) == (0.0, 0.0)
        assert values(result.more_false_rejects, result.more_false_accepts) == (0.0, 0.0)
    assert values(accept_all.false_rejects, accept_all.false_accepts) == (0.0, 1.0)
    assert values(accept_none.false_rejects, accept_none.false_accepts) == (1.0, 0.0)


@pytest.mark.parametrize(("intercept", "rejects", "accepts"), [(ALWAYS, 0.0, 1.0), (NEVER, 1.0, 0.0)])
def test_a_certain_likelihood_ratio_commits_at_the_first_look(intercept: float, rejects: float, accepts: float) -> None:
    result = measure(sample_decision(slope=0.0, intercept=intercept, threshold=1e9))["sprt"]
    assert (result.committed_genuine, result.committed_impostors) == (1.0, 1.0)
    assert values(result.looks_genuine, result.looks_impostors) == (1.0, 1.0)
    assert values(result.saved_genuine, result.saved_impostors) == pytest.approx((0.8, 0.8))
    assert values(result.false_rejects, result.false_accepts) == (rejects, accepts)
    # All frames reject everybody: what the rule accepts it rejects less and accepts more.
    assert values(result.more_false_rejects, result.more_false_accepts) == (rejects - 1.0, accepts)


def test_an_undecided_test_falls_back_on_the_operating_point() -> None:
    result = measure(sample_decision(slope=0.0, intercept=0.0, threshold=-1e9))["sprt"]
    assert (result.committed_genuine, result.looks_genuine.value) == (0.0, 5.0)
    assert values(result.false_rejects, result.false_accepts) == (0.0, 1.0)


@pytest.mark.parametrize("still", [1, 2, 4])
def test_a_state_that_is_always_still_commits_after_that_many_looks(still: int) -> None:
    decision = sample_decision(velocity_threshold=1.0, velocity_frames=still, threshold=1e9)
    result = measure(decision)["velocity"]
    assert (result.committed_genuine, result.committed_impostors) == (1.0, 1.0)
    assert values(result.looks_genuine, result.looks_impostors) == (float(still), float(still))
    assert values(result.false_rejects, result.false_accepts) == (1.0, 0.0)


def test_a_state_that_is_never_still_never_commits() -> None:
    result = measure(sample_decision(velocity_threshold=0.0))["velocity"]
    assert (result.committed_genuine, result.looks_genuine.value) == (0.0, 5.0)


def test_thresholds_of_more_observations_take_over() -> None:
    decision = sample_decision(threshold=1e9)
    later = replace(decision.operating_points[0], observations=3, threshold=-1e9)
    decision = replace(decision, operating_points=(*decision.operating_points, later))
    assert measure(decision)["all frames"].false_accepts.value == 1.0  # judged at the fifth look
    early = replace(decision.stopping, velocity_threshold=1.0, velocity_frames=2)
    assert measure(replace(decision, stopping=early))["velocity"].false_accepts.value == 0.0  # at the second


def test_promises_are_those_of_the_decision() -> None:
    found = measure(sample_decision())
    assert (found["sprt"].promised_false_rejects, found["sprt"].promised_false_accepts) == (0.05, 0.01)
    for rule in ("velocity", "all frames"):  # the only operating point there is
        assert (found[rule].promised_false_rejects, found[rule].promised_false_accepts) == (None, 0.1)


def test_rates_and_intervals_by_naive_recomputation() -> None:
    # Thresholds in the middle of what there is, so that every claim could go either way.
    claims = claims_of(sample_decision())
    scores = np.array([claim.scores for claim in claims])
    middle, last = float(np.median(scores)), scores[:, -1]
    width = float(np.quantile(np.abs(scores - middle), 0.6))
    decision = sample_decision(slope=1.0, intercept=-middle, threshold=float(np.median(last)))
    decision = replace(decision, stopping=replace(decision.stopping, accept_llr=width, reject_llr=-width))
    found = measure(decision, one_a_person=False)["sprt"]
    same, looks = np.array([c.probe == c.target for c in claims]), np.empty(len(claims))
    accepted, by_all = np.empty(len(claims)), last >= np.median(last)
    for row, claim in enumerate(claims):
        ratios = claim.scores + decision.likelihood[0].intercept
        outside = np.flatnonzero(np.abs(ratios) >= width)
        looks[row] = outside[0] + 1 if len(outside) else 5
        accepted[row] = ratios[outside[0]] > 0 if len(outside) else by_all[row]
    assert 1.0 < looks[same].mean() < 5.0  # the rule has something to decide
    assert 1.0 < looks[~same].mean() < 5.0
    expected = {
        "looks_genuine": _bootstrapped(looks, claims, same),
        "looks_impostors": _bootstrapped(looks, claims, ~same),
        "saved_genuine": _bootstrapped(1.0 - looks / 5.0, claims, same),
        "saved_impostors": _bootstrapped(1.0 - looks / 5.0, claims, ~same),
        "false_rejects": _bootstrapped(1.0 - accepted, claims, same),
        "false_accepts": _bootstrapped(accepted, claims, ~same),
        "more_false_rejects": _bootstrapped(by_all - accepted, claims, same),
        "more_false_accepts": _bootstrapped(accepted - by_all, claims, ~same),
    }
    for name, interval in expected.items():
        estimate = getattr(found, name)
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx(interval), name
    assert found.false_accepts.low < found.false_accepts.value < found.false_accepts.high


def test_a_draw_without_any_of_these_people_is_left_out() -> None:
    # Only two of six have ten images; some resamples draw neither, and are no rate of 0.
    store, network = numbered_store((10, 10, 1, 1, 1, 1)), tiny_network()
    encoded = random_encodings(store, network, one_a_person=True)
    draws = np.array([[0.0, 0.0, 6.0, 0.0, 0.0, 0.0], [1.0, 1.0, 4.0, 0.0, 0.0, 0.0]])
    (*_, every) = measure_stopping(network, encoded, store, sample_decision(), draws, seed=0)
    assert every.looks_genuine == every.looks_impostors == Estimate(5.0, 5.0, 5.0)


def test_is_a_function_of_the_seed() -> None:
    store, network = numbered_store((10,) * 6), tiny_network()
    encoded = random_encodings(store, network, one_a_person=False)
    # At half of the velocities there are, so that the look of commitment depends on the draw.
    velocity = crystallize(network, encoded, np.arange(60)[:, None]).velocity.median().item()
    decision = sample_decision(velocity_threshold=velocity, velocity_frames=1)
    first = measure_stopping(network, encoded, store, decision, DRAWN, seed=0)
    assert measure_stopping(network, encoded, store, decision, DRAWN, seed=0) == first
    assert measure_stopping(network, encoded, store, decision, DRAWN, seed=1) != first


def test_draws_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []

    def watched(*arguments: object, seed: tuple[int, ...]) -> list[Claim]:
        seeds.append(seed)
        return []

    monkeypatch.setattr(evaluate_stopping, "draw_claims", watched)
    assert measure(sample_decision(), seed=7) == {}
    assert seeds == [(7, draw) for draw in range(DRAWS)]


def _bootstrapped(values: Array, claims: list[Claim], chosen: Array) -> tuple[float, float, float]:
    """Mean and percentiles of means, a claim repeated as often as its people were drawn."""
    means = []
    for counts in DRAWN.astype(int):
        repeated = [
            value
            for value, claim, taken in zip(values.tolist(), claims, chosen.tolist(), strict=True)
            if taken
            for _ in range(counts[claim.probe] * (1 if claim.probe == claim.target else counts[claim.target]))
        ]
        means.append(np.mean(repeated))
    return (float(values[chosen].mean()), *np.quantile(means, (0.025, 0.975)).tolist())
