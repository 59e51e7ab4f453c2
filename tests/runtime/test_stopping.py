"""When an identity is committed, under either rule."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.identity.decision import MatchDecision, Verdict
from crystaledge.identity.spec import Stopping
from crystaledge.identity.stopping import (
    LONGEST_TEST,
    Progress,
    SequentialTest,
    SettledState,
    TruncatedTest,
    stopping_rule,
    wald_thresholds,
)
from tests.support.manifests import small_decision

SPEC = small_decision(6)
RULES = replace(SPEC.stopping, accept_llr=3.0, reject_llr=-2.0, velocity_frames=3)
RATES = st.floats(1e-6, 0.49)


def progress(*, llr: float | None = None, verdict: Verdict = Verdict.SAME, still: int = 0) -> Progress:
    """What a rule looks at; without a ratio nobody is enrolled."""
    match = None if llr is None else MatchDecision(verdict, 0.0, llr, SPEC.operating_points[0])
    return Progress(observations=max(still, 1), still_frames=still, match=match)


def test_walds_thresholds_are_the_published_formulas() -> None:
    reject, accept = wald_thresholds(0.01, 0.05)
    assert accept == pytest.approx(math.log(0.95 / 0.01))
    assert reject == pytest.approx(math.log(0.05 / 0.99))


@given(RATES, RATES)
def test_walds_thresholds_lie_around_zero_and_mirror_each_other(alpha: float, beta: float) -> None:
    reject, accept = wald_thresholds(alpha, beta)
    assert reject < 0.0 < accept
    assert wald_thresholds(beta, alpha) == pytest.approx((-accept, -reject))


def test_a_stricter_rate_asks_for_more_evidence() -> None:
    assert wald_thresholds(0.001, 0.05)[1] > wald_thresholds(0.01, 0.05)[1]
    assert wald_thresholds(0.01, 0.001)[0] < wald_thresholds(0.01, 0.05)[0]


def test_independent_observations_keep_walds_error_rates() -> None:
    # The theorem itself, on coins: both kinds of error stay at or below what was asked for.
    alpha, beta, random = 0.05, 0.1, np.random.default_rng(0)
    reject, accept = wald_thresholds(alpha, beta)
    rule = SequentialTest(replace(RULES, accept_llr=accept, reject_llr=reject))
    wrong = {Verdict.SAME: 0, Verdict.DIFFERENT: 0}
    trials = 2000
    for truth, heads in ((Verdict.SAME, 0.7), (Verdict.DIFFERENT, 0.4)):
        for _ in range(trials):
            llr, verdict = 0.0, None
            while verdict is None:
                head = random.random() < heads
                llr += math.log(0.7 / 0.4) if head else math.log(0.3 / 0.6)
                verdict = rule.verdict(progress(llr=llr))
            if verdict is not truth:
                wrong[truth] += 1
    # Three standard errors of a rate estimated from so many trials.
    assert wrong[Verdict.DIFFERENT] / trials <= alpha + 3 * math.sqrt(alpha / trials)
    assert wrong[Verdict.SAME] / trials <= beta + 3 * math.sqrt(beta / trials)


@pytest.mark.parametrize(
    ("llr", "expected"),
    [
        pytest.param(3.0, Verdict.SAME, id="at-the-upper-threshold"),
        pytest.param(2.999, None, id="below-the-upper-threshold"),
        pytest.param(0.0, None, id="in-between"),
        pytest.param(-1.999, None, id="above-the-lower-threshold"),
        pytest.param(-2.0, Verdict.DIFFERENT, id="at-the-lower-threshold"),
        pytest.param(None, None, id="nobody-enrolled"),
    ],
)
def test_the_sequential_test_stops_when_the_ratio_leaves_the_interval(
    llr: float | None, expected: Verdict | None
) -> None:
    # Neither stillness nor the verdict at the operating point has a say.
    for still in (0, 100):
        for verdict in Verdict:
            assert SequentialTest(RULES).verdict(progress(llr=llr, verdict=verdict, still=still)) is expected


@given(st.integers(1, 10_000))
def test_a_search_among_many_asks_for_as_much_more_evidence_as_there_are_chances(compared: int) -> None:
    just = replace(progress(llr=3.0 + math.log(compared)), compared=compared)
    short = replace(progress(llr=2.999 + math.log(compared)), compared=compared)
    assert SequentialTest(RULES).verdict(just) is Verdict.SAME
    assert SequentialTest(RULES).verdict(short) is None
    # To be nobody of many takes no more than to be not the nearest of them.
    assert SequentialTest(RULES).verdict(replace(progress(llr=-2.0), compared=compared)) is Verdict.DIFFERENT


def test_a_search_keeps_walds_rate_of_false_accepts_however_many_are_enrolled() -> None:
    # Strangers' likelihood ratios as the theory has them: log-normal with mean 1 under "different".
    alpha, people, strangers, random = 0.05, 40, 4000, np.random.default_rng(1)
    reject, accept = wald_thresholds(alpha, 0.1)
    rule = SequentialTest(replace(RULES, accept_llr=accept, reject_llr=reject))
    best = random.normal(-2.0, 2.0, (strangers, people)).max(axis=1).tolist()
    asked = [rule.verdict(replace(progress(llr=llr), compared=people)) for llr in best]
    naive = [rule.verdict(progress(llr=llr)) for llr in best]
    assert asked.count(Verdict.SAME) / strangers <= alpha
    assert naive.count(Verdict.SAME) / strangers > 2 * alpha


@pytest.mark.parametrize(
    ("compared", "rate", "expected"),
    [
        pytest.param(9, 0.01, Verdict.SAME, id="evidence-outweighs-the-number"),
        pytest.param(10, 0.01, Verdict.DIFFERENT, id="chance-explains-it"),
        pytest.param(10, 0.001, Verdict.SAME, id="all-comparisons-together-are-as-strict-as-promised"),
        pytest.param(11, 0.001, Verdict.DIFFERENT, id="and-here-they-are-not"),
        pytest.param(1, 0.01, Verdict.SAME, id="a-claim"),
    ],
)
def test_at_its_end_a_truncated_search_doubts_what_chance_explains(
    compared: int, rate: float, expected: Verdict
) -> None:
    point = replace(SPEC.operating_points[0], false_accept_rate=rate)
    match = MatchDecision(Verdict.SAME, 0.0, math.log(9.0), point)
    ended = Progress(observations=LONGEST_TEST, still_frames=99, match=match, compared=compared)
    for rule in (TruncatedTest, SettledState):
        assert rule(replace(RULES, accept_llr=9.0, false_accept_rate=0.01)).verdict(ended) is expected


def test_a_claim_is_decided_by_its_operating_point_whatever_the_ratio() -> None:
    ended = replace(progress(llr=-1.5, verdict=Verdict.SAME), observations=LONGEST_TEST)
    assert TruncatedTest(RULES).verdict(ended) is Verdict.SAME


@pytest.mark.parametrize("llr", [3.0, 2.999, 0.0, -1.999, -2.0, None])
def test_before_its_end_a_truncated_test_is_walds(llr: float | None) -> None:
    before = replace(progress(llr=llr), observations=LONGEST_TEST - 1)
    assert TruncatedTest(RULES).verdict(before) is SequentialTest(RULES).verdict(before)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_at_its_end_a_truncated_test_takes_the_operating_points_verdict(verdict: Verdict) -> None:
    for observations in (LONGEST_TEST, LONGEST_TEST + 7):
        doubtful = replace(progress(llr=0.0, verdict=verdict), observations=observations)
        assert TruncatedTest(RULES).verdict(doubtful) is verdict
        # Where the ratio decides, it has the word, whatever the operating point says.
        certain = replace(progress(llr=3.0, verdict=verdict), observations=observations)
        assert TruncatedTest(RULES).verdict(certain) is Verdict.SAME
    nobody = replace(progress(), observations=LONGEST_TEST)
    assert TruncatedTest(RULES).verdict(nobody) is Verdict.DIFFERENT


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_settled_state_takes_the_operating_points_verdict(verdict: Verdict) -> None:
    rule = SettledState(RULES)
    # Not the likelihood ratio's, which says the opposite here.
    llr = -99.0 if verdict is Verdict.SAME else 99.0
    assert [rule.verdict(progress(llr=llr, verdict=verdict, still=still)) for still in range(5)] == [
        None,
        None,
        None,
        verdict,
        verdict,
    ]


def test_a_settled_state_without_anybody_enrolled_is_nobody() -> None:
    assert SettledState(RULES).verdict(progress(still=3)) is Verdict.DIFFERENT
    assert SettledState(RULES).verdict(progress(still=2)) is None


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        pytest.param(Stopping.SPRT, SequentialTest, id="sprt"),
        pytest.param(Stopping.TRUNCATED, TruncatedTest, id="truncated"),
        pytest.param(Stopping.VELOCITY, SettledState, id="velocity"),
    ],
)
def test_each_kind_has_its_rule(kind: Stopping, expected: type) -> None:
    rule = stopping_rule(kind, RULES)
    assert type(rule) is expected
    assert rule.kind is kind
