"""Matches, verdicts and commit frames, taken a second time by slow loops."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.identity.matching import likelihood_ratio_scores, unit_rows
from crystaledge.identity.spec import COSINE, IdentityDecision, OperatingPoint
from crystaledge_calibration.decisions import NEVER, AgreementCounter, HostDecisions, StepDecisions, enrolled
from tests.support.manifests import small_decision

Array = NDArray[np.float32]
WIDTH, PEOPLE, BATCH, STEPS, ENROLLED = 6, 4, 5, 6, 3
SEEDS = (0, 20, 41)
SPEC = small_decision(WIDTH)


def states(seed: int, count: int, spread: float = 0.6) -> tuple[Array, Array]:
    """Hidden states near those of a few people, and log-variances `(count, 1)`."""
    centres = np.random.default_rng(7).normal(size=(PEOPLE, WIDTH))
    random = np.random.default_rng(seed)
    hidden = centres[np.arange(count) % PEOPLE] + spread * random.normal(size=(count, WIDTH))
    return hidden.astype(np.float32), random.normal(-2.0, 0.5, (count, 1)).astype(np.float32)


def film(seed: int) -> list[tuple[Array, Array]]:
    """States of a batch over time, which come nearer to their people; odd seeds show a stranger in the first row."""
    steps = [states(seed + step, BATCH, 1.2 / (step + 1)) for step in range(STEPS)]
    if seed % 2:
        away = -unit_rows(states(99, PEOPLE, 0.1)[0]).sum(axis=0).astype(np.float32)
        for hidden, _ in steps:
            hidden[0] = away
    return steps


def host(batch: int = BATCH, spec: IdentityDecision = SPEC, observations: int = ENROLLED) -> HostDecisions:
    return HostDecisions(spec, enrolled(*states(99, PEOPLE, 0.1), observations), batch)


def slow_scores(spec: IdentityDecision, hidden: Array, log_variance: Array) -> NDArray[np.float64]:
    """One probe against one person at a time."""
    theirs, their_variance = states(99, PEOPLE, 0.1)
    found = np.zeros((len(hidden), PEOPLE))
    for probe in range(len(hidden)):
        for person in range(PEOPLE):
            a, b = unit_rows(hidden[[probe]]), unit_rows(theirs[[person]])
            x, y = log_variance[probe].astype(float), their_variance[person].astype(float)
            one = a @ b.T if spec.score is COSINE else likelihood_ratio_scores(spec.score, a, x, b, y)
            found[probe, person] = one[0, 0]
    return found


def point_for(observations: int) -> OperatingPoint:
    """The strictest rate's point of the largest calibrated count that is not above, or the smallest."""
    strict = sorted((p for p in SPEC.operating_points if p.false_accept_rate == 0.01), key=lambda p: p.observations)
    return ([p for p in strict if p.observations <= observations] or strict[:1])[-1]


@pytest.mark.parametrize("spec", [SPEC, replace(SPEC, score=COSINE)], ids=["likelihood ratio", "cosine"])
def test_scores_matches_and_verdicts_are_those_of_a_slow_loop(spec: IdentityDecision) -> None:
    deciding = host(spec=spec)
    for step, (hidden, log_variance) in enumerate(film(0), 1):
        found = deciding.advance(hidden, log_variance)
        expected = slow_scores(spec, hidden, log_variance)
        np.testing.assert_allclose(found.scores, expected, rtol=1e-6, atol=1e-9)
        assert found.best.tolist() == [int(np.argmax(row)) for row in expected]
        threshold = point_for(min(step, ENROLLED)).threshold
        assert found.accepted.tolist() == [[bool(score >= threshold) for score in row] for row in expected]


def slow_commits(batches: list[tuple[Array, Array]], observations: int) -> list[int]:
    """The first step at which the fitted ratio of the best match leaves Wald's interval, raised for a search."""
    frames = []
    for row in range(BATCH):
        committed = NEVER
        for step, (hidden, log_variance) in enumerate(batches, 1):
            scores = slow_scores(SPEC, hidden, log_variance)[row]
            best, accept = float(scores.max()), SPEC.stopping.accept_llr + math.log(len(scores))
            known = min(step, observations)
            fits = [fit for fit in SPEC.likelihood if fit.observations <= known]
            llr = fits[-1].slope * best + fits[-1].intercept
            if committed == NEVER and not SPEC.stopping.reject_llr < llr < accept:
                committed = step
        frames.append(committed)
    return frames


@pytest.mark.parametrize("observations", [2, 8])
@pytest.mark.parametrize("seed", SEEDS)
def test_commit_frames_are_those_of_a_slow_loop(seed: int, observations: int) -> None:
    deciding = host(observations=observations)
    for hidden, log_variance in film(seed):
        deciding.advance(hidden, log_variance)
    assert deciding.commit_frame.tolist() == slow_commits(film(seed), observations)


def test_the_commits_of_these_tests_are_not_all_alike() -> None:
    frames = {frame for seed in SEEDS for frame in slow_commits(film(seed), 8)}
    assert len(frames) >= 3, frames
    strangers = [slow_commits(film(seed), 8)[0] for seed in SEEDS if seed % 2]
    assert NEVER not in strangers, "a stranger is committed too, to nobody"


def test_verdicts_are_taken_at_the_strictest_rate_that_was_calibrated_everywhere() -> None:
    assert host().false_accept_rate == 0.01


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_damaged_state_is_counted_and_disturbs_nobody_else(value: float) -> None:
    hidden, log_variance = states(0, BATCH)
    sound = host().advance(hidden, log_variance)
    broken_hidden, broken_variance = hidden.copy(), log_variance.copy()
    broken_hidden[1], broken_variance[1] = value, np.nan
    broken = host().advance(broken_hidden, broken_variance)
    assert np.isfinite(broken.scores).all()
    others = [0, 2, 3, 4]
    np.testing.assert_array_equal(broken.scores[others], sound.scores[others])
    assert not broken.accepted[1].any()


def test_a_damaged_gallery_can_still_be_compared_with() -> None:
    hidden, log_variance = states(99, PEOPLE)
    hidden[0], log_variance[0] = np.nan, np.inf
    gallery = enrolled(hidden, log_variance, ENROLLED)
    assert np.isfinite(HostDecisions(SPEC, gallery, BATCH).advance(*states(0, BATCH)).scores).all()


def decisions(best: list[int], accepted: list[list[bool]], score: float = 0.0) -> StepDecisions:
    return StepDecisions(np.full((len(best), 2), score), np.array(best), np.array(accepted))


def test_agreement_counts_every_checked_step_of_every_batch() -> None:
    counter = AgreementCounter(horizon=9)
    counter.add_step(1, decisions([0, 1], [[True, False]] * 2), decisions([0, 0], [[True, True]] * 2))
    counter.add_step(4, decisions([0, 1], [[True, True]] * 2), decisions([0, 1], [[True, True]] * 2))
    counter.add_step(1, decisions([1], [[False, False]]), decisions([1], [[False, False]]))
    counter.add_commits(np.array([1, NEVER]), np.array([1, NEVER]))
    counter.add_commits(np.array([5]), np.array([3]))
    found = counter.result()
    assert found.same_match == pytest.approx(4 / 5)
    assert found.same_verdict == pytest.approx(8 / 10)
    assert found.same_commit == pytest.approx(2 / 3)
    assert found.committed == pytest.approx(2 / 3)
    assert found.most_frames_apart == 2


def test_scores_are_kept_by_step_with_the_batches_one_below_the_other() -> None:
    counter = AgreementCounter(horizon=9)
    for step, score in ((1, 1.0), (2, 2.0), (1, 3.0), (2, 4.0)):
        one = decisions([0], [[True, True]], score)
        counter.add_step(step, one, replace(one, scores=one.scores + 10.0))
    counter.add_commits(np.array([1]), np.array([1]))
    scores = counter.result().scores
    assert {step: pair[0][:, 0].tolist() for step, pair in scores.items()} == {1: [1.0, 3.0], 2: [2.0, 4.0]}
    assert {step: pair[1][:, 0].tolist() for step, pair in scores.items()} == {1: [11.0, 13.0], 2: [12.0, 14.0]}


FRAMES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8)


@given(FRAMES)
def test_a_commit_of_one_side_alone_is_a_whole_horizon_apart(frames: list[tuple[int, int]]) -> None:
    counter = AgreementCounter(horizon=9)
    counter.add_step(1, decisions([0], [[True, True]]), decisions([0], [[True, True]]))
    for a, b in frames:
        counter.add_commits(np.array([a]), np.array([b]))
    apart = [0 if a == b else 9 if NEVER in (a, b) else abs(a - b) for a, b in frames]
    assert counter.result().most_frames_apart == max(apart)
    assert counter.result().same_commit == pytest.approx(apart.count(0) / len(apart))
