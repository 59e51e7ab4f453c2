"""What the gate demands, one demand at a time, and the sentence that it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crystaledge_calibration.gate import findings, growth_of, sentence
from crystaledge_calibration.records import DecisionParity, Fault, Finding, Interval, Limits, StateTrace
from tests.calibration.closed_loop_builders import decision_parity, state_trace

STEPS = (1, 2, 4, 8, 16, 32)
SOUND = state_trace(cosine_mean=(1.0,) * 6)


def found_in(
    state: StateTrace = SOUND, growth: float = 1.0, decisions: DecisionParity | None = None
) -> tuple[Finding, ...]:
    return findings(STEPS, state, growth, decisions or decision_parity(), Limits())


def loss(value: float) -> dict[str, Any]:
    return {"auc_loss": Interval(value=value, low=value, high=value)}


def test_a_graph_that_is_the_model_has_no_findings() -> None:
    assert found_in() == ()


def test_values_at_their_limits_pass() -> None:
    limits = Limits()
    state = state_trace(cosine_mean=(limits.cosine_mean,) * 6, cosine_p01=(limits.cosine_p01,) * 6)
    decisions = replace(
        decision_parity(),
        same_match=limits.same_match,
        same_verdict=limits.same_verdict,
        same_commit=limits.same_commit,
        most_frames_apart=limits.frames_apart,
        **loss(limits.auc_loss),
    )
    assert found_in(state, limits.growth, decisions) == ()


@pytest.mark.parametrize(
    ("change", "demand", "step"),
    [
        pytest.param(loss(0.0021), "loss of AUC", 4, id="auc"),
        pytest.param(loss(float("nan")), "loss of AUC", 4, id="auc that is no number"),
        pytest.param({"most_frames_apart": 2}, "frames between the commits", 32, id="frames apart"),
        pytest.param({"same_commit": 0.989}, "sequences that commit in the same frame", 32, id="commits"),
        pytest.param({"same_match": 0.989}, "equal best matches", 32, id="matches"),
        pytest.param({"same_verdict": 0.989}, "equal verdicts", 32, id="verdicts"),
    ],
)
def test_each_decision_that_differs_is_a_finding(change: dict[str, Any], demand: str, step: int) -> None:
    (finding,) = found_in(decisions=replace(decision_parity(), **change))
    assert (finding.demand, finding.step) == (demand, step)


@pytest.mark.parametrize("place", range(6))
@pytest.mark.parametrize("value", [0.5, float("nan")])
def test_a_state_that_turns_away_is_found_at_its_first_step(place: int, value: float) -> None:
    cosines = tuple(value if i >= place else 1.0 for i in range(6))
    (mean,) = found_in(state_trace(cosine_mean=cosines, cosine_p01=(1.0,) * 6))
    (tail,) = found_in(state_trace(cosine_mean=(1.0,) * 6, cosine_p01=cosines))
    assert (mean.demand, mean.step) == ("mean cosine of the state", STEPS[place])
    assert (tail.demand, tail.step) == ("1st percentile of the state's cosine", STEPS[place])


def test_growth_is_a_finding_of_the_horizon() -> None:
    (finding,) = found_in(growth=1.6)
    assert (finding.step, finding.measured, finding.limit) == (32, 1.6, 1.5)


def test_findings_come_in_the_order_of_their_steps() -> None:
    state = state_trace(cosine_mean=(1.0, 1.0, 1.0, 0.5, 0.5, 0.5), cosine_p01=(1.0, 0.5, 0.5, 0.5, 0.5, 0.5))
    found = found_in(state, 2.0, replace(decision_parity(), same_match=0.5, **loss(0.1)))
    assert [finding.step for finding in found] == [2, 4, 8, 32, 32]


@pytest.mark.parametrize(
    ("steps", "errors", "growth"),
    [
        pytest.param((1, 8, 16, 32), (9.0, 9.0, 2.0, 3.0), 1.5, id="from step 16"),
        pytest.param((1, 8, 20), (9.0, 2.0, 3.0), 1.5, id="from the last step before"),
        pytest.param((1,), (2.0,), 1.0, id="a single step cannot grow"),
        pytest.param((1, 16, 32), (0.0, 0.0, 0.0), 0.0, id="no error"),
        pytest.param((1, 16, 32), (0.0, 0.0, 1e3), 1e9, id="from nothing to much"),
    ],
)
def test_growth_compares_the_horizon_with_step_16(
    steps: tuple[int, ...], errors: tuple[float, ...], growth: float
) -> None:
    state = replace(state_trace(cosine_mean=(1.0,) * len(steps)), relative_error=errors)
    assert growth_of(state, steps) == pytest.approx(growth)


FINDING = Finding(demand="mean cosine of the state", measured=0.87654321, limit=0.99, step=8)


def say(found: tuple[Finding, ...], fault: Fault | None) -> str:
    text = sentence("step-int8-tensorrt", found, fault, sequences=24, horizon=64)
    assert len(text.splitlines()) == 1 and text.endswith(".")
    return text


def test_the_sentence_of_a_pass_says_how_much_was_looked_at() -> None:
    text = say((), None)
    assert "step-int8-tensorrt keeps its memory" in text
    assert "24 sequences of 64 closed-loop steps" in text


def test_the_sentence_of_a_failure_names_step_demand_tensor_and_node() -> None:
    text = say((FINDING,), Fault(step=8, tensor="linear_3", node="node_linear_3", error=2.18))
    assert "fails at step 8: mean cosine of the state is 0.8765, the limit is 0.99" in text
    assert "'linear_3' of the node 'node_linear_3', off by 218%" in text


def test_the_sentence_of_a_loop_that_was_closed_wrongly_blames_no_layer() -> None:
    text = say((FINDING,), Fault(step=8, tensor="hidden_next", node="", error=0.0))
    assert "every layer agrees" in text and "'hidden_next' is fed back wrongly" in text


def test_the_earliest_finding_is_the_one_that_is_said() -> None:
    later = replace(FINDING, demand="growth", step=64)
    assert "step 8" in say((FINDING, later), None)
