"""Verdicts are taken at the operating point that was calibrated for them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.errors import ContractError, UsageError
from crystaledge.identity.decision import Decider, Verdict
from crystaledge.identity.spec import IdentityDecision
from tests.support.manifests import small_decision
from tests.support.messages import message_of

# Operating points of this decision: 0.9 and 0.7 at a rate of 0.01, for 1 and 4 observations; 0.4 and 0.2 at 0.1.
SPEC = small_decision(6)


@pytest.mark.parametrize(
    ("rate", "observations", "threshold"),
    [
        pytest.param(None, 1, 0.9, id="strictest-by-default"),
        pytest.param(0.01, 1, 0.9, id="asked-for-the-strictest"),
        pytest.param(0.1, 1, 0.4, id="asked-for-another"),
        pytest.param(0.01, 3, 0.9, id="between-two-calibrated-numbers"),
        pytest.param(0.01, 4, 0.7, id="at-a-calibrated-number"),
        pytest.param(0.1, 500, 0.2, id="beyond-all-calibrated-numbers"),
        pytest.param(0.01, 0, 0.9, id="below-all-calibrated-numbers"),
    ],
)
def test_the_point_is_that_of_the_rate_and_the_observations(
    rate: float | None, observations: int, threshold: float
) -> None:
    decider = Decider(SPEC, false_accept_rate=rate)
    decision = decider.decide(0.5, observations)
    assert decision.point.threshold == threshold
    assert decision.point.false_accept_rate == decider.false_accept_rate == (rate or 0.01)


def test_the_order_in_the_manifest_does_not_matter() -> None:
    backwards = replace(SPEC, operating_points=SPEC.operating_points[::-1], likelihood=SPEC.likelihood[::-1])
    for observations in range(8):
        assert Decider(backwards).decide(0.8, observations) == Decider(SPEC).decide(0.8, observations)


@given(st.floats(-5, 5), st.integers(0, 10))
def test_a_score_is_accepted_from_the_threshold_on(score: float, observations: int) -> None:
    decision = Decider(SPEC).decide(score, observations)
    assert decision.score == score
    assert (decision.verdict is Verdict.SAME) == (score >= decision.point.threshold)


def test_a_score_at_the_threshold_is_accepted() -> None:
    assert Decider(SPEC).decide(0.9, 1).verdict is Verdict.SAME


@pytest.mark.parametrize(
    ("observations", "expected"),
    [
        pytest.param(1, 2.0 * 0.5 - 1.0, id="one"),
        pytest.param(3, 2.0 * 0.5 - 1.0, id="between"),
        pytest.param(4, 5.0 * 0.5 - 2.0, id="four"),
        pytest.param(9, 5.0 * 0.5 - 2.0, id="beyond"),
    ],
)
def test_the_likelihood_ratio_is_that_of_the_fit_for_the_observations(observations: int, expected: float) -> None:
    assert Decider(SPEC).llr(0.5, observations) == Decider(SPEC).decide(0.5, observations).llr == expected


def test_a_rate_that_was_not_calibrated_is_refused() -> None:
    with pytest.raises(UsageError) as raised:
        Decider(SPEC, false_accept_rate=0.05)
    assert message_of(raised) == (
        "There is no operating point for a false-accept rate of 0.05; this bundle has 0.01, 0.1."
    )


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param({"operating_points": ()}, id="no-operating-point"),
        pytest.param({"likelihood": ()}, id="no-likelihood-fit"),
        pytest.param({"stopping": replace(SPEC.stopping, accept_llr=-9.0)}, id="accepts-below-rejecting"),
    ],
)
def test_a_decision_without_sense_cannot_be_made(spoil: dict[str, object]) -> None:
    fields = {name: getattr(SPEC, name) for name in IdentityDecision.__dataclass_fields__}
    with pytest.raises(ContractError):
        IdentityDecision(**{**fields, **spoil})
