"""The precision search: what goes back to float first, what it may cost, and where it ends."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from crystaledge_calibration.closed_loop_score import Score
from crystaledge_calibration.draft import Tried, tried
from crystaledge_calibration.search import Goal, Searched, give_back, sensitivities
from crystaledge_calibration.step_model import weighted_nodes
from tests.calibration.builders import QUANTIZABLE, ScriptedJudge, int8_nodes, small_draft, small_model

FREE = {"least_int8": 0.0, "most_bytes": 100.0}
NODES = {node.name: node for node in weighted_nodes(small_model())}
LOSSES = {"conv_stem": 0.08, "gemm_quality": 0.004, "matmul_new_face": 0.03, "matmul_new_hidden": 0.02}


def goal(loss: float, *, least_int8: float = 0.0, most_bytes: float = 100.0) -> Goal:
    return Goal(cosine_mean=1.0 - loss, cosine_p01=1.0 - loss, least_int8=least_int8, most_bytes=most_bytes)


def adding_up(losses: Mapping[str, float]) -> ScriptedJudge:
    """Each int8 node costs what it costs alone."""
    return ScriptedJudge(lambda model: sum(losses.get(name, 0.0) for name in int8_nodes(model)))


def searched(judge: ScriptedJudge, aim: Goal, nodes: tuple[str, ...] = QUANTIZABLE) -> Searched:
    (start,) = tried(judge, small_draft(nodes=nodes))
    judge.asked.clear()
    return give_back(judge, start, aim)


def share_of_macs(nodes: tuple[str, ...]) -> float:
    return sum(NODES[name].macs for name in nodes) / sum(node.macs for node in NODES.values())


@pytest.mark.parametrize(
    ("mean", "p01", "expected"),
    [(0.9995, 0.998, True), (0.99949, 1.0, False), (1.0, 0.99799, False)],
)
def test_a_goal_is_reached_on_average_and_in_the_tail(mean: float, p01: float, expected: bool) -> None:
    class Fixed(Score):
        __slots__ = ()
        mean = property(lambda self: mean)
        p01 = property(lambda self: p01)

    assert Goal().reached(Fixed(np.ones((1, 1)))) is expected


def test_sensitivity_is_the_loss_with_one_node_alone_in_int8() -> None:
    judge = adding_up(LOSSES)
    found = sensitivities(judge, small_draft())
    assert tuple(found) == QUANTIZABLE
    assert found == pytest.approx({name: LOSSES.get(name, 0.0) for name in QUANTIZABLE})
    assert [int8_nodes(model) for model in judge.asked] == [(name,) for name in QUANTIZABLE]


def test_nothing_is_searched_where_the_goal_is_reached_already() -> None:
    judge = adding_up(LOSSES)
    found = searched(judge, goal(0.2))
    assert (found.given_back, found.rows, judge.asked) == ((), (), [])
    assert found.best.draft.nodes == QUANTIZABLE


def naive_order(aim: Goal) -> list[str]:
    """Most loss for its price first, as many as both budgets allow."""
    draft = small_draft()
    macs = sum(NODES[n].macs for n in QUANTIZABLE) - aim.least_int8 * sum(node.macs for node in NODES.values())
    size = aim.most_bytes * small_model().ByteSize() - draft.build().ByteSize()
    cost = {n: (NODES[n].macs, 3 * NODES[n].weights) for n in QUANTIZABLE}
    worth = {n: LOSSES.get(n, 0.0) / max(cost[n][0] / macs, cost[n][1] / size) for n in QUANTIZABLE}
    order = []
    for name in sorted(QUANTIZABLE, key=lambda n: -worth[n]):
        if cost[name][0] <= macs and cost[name][1] <= size:
            macs, size = macs - cost[name][0], size - cost[name][1]
            order.append(name)
    return order


@pytest.mark.parametrize("loss", [0.12, 0.1, 0.05, 0.001])
def test_the_first_prefix_that_reaches_the_goal_is_taken(loss: float) -> None:
    aim = goal(loss)
    order, left = naive_order(aim), sum(LOSSES.values())
    assert order[0] != "conv_stem", "the most sensitive is the dearest too, so the price decides"
    expected = []
    for name in order:
        expected.append(name)
        left -= LOSSES.get(name, 0.0)
        if left <= loss:
            break
    found = searched(adding_up(LOSSES), aim)
    assert list(found.given_back) == expected
    assert set(found.best.draft.nodes) == set(QUANTIZABLE) - set(expected)
    assert aim.reached(found.best.score)


def test_every_prefix_is_measured_and_has_a_row_that_says_whether_it_was_taken() -> None:
    aim, judge = goal(0.1), adding_up(LOSSES)
    found, order = searched(judge, aim), naive_order(goal(0.1))
    prefixes = [set(QUANTIZABLE) - set(order[: count + 1]) for count in range(len(order))]
    assert [set(int8_nodes(model)) for model in judge.asked[len(QUANTIZABLE) :]] == prefixes
    assert [row.name for row in found.rows] == [f"{name} given back to float32" for name in order]
    assert [row.taken for row in found.rows] == [name in found.given_back for name in order]
    for row, prefix in zip(found.rows, prefixes, strict=True):
        loss = sum(LOSSES.get(name, 0.0) for name in prefix)
        assert (row.loss, row.cosine_mean, row.cosine_p01) == pytest.approx((loss, 1 - loss, 1 - loss), abs=1e-12)


def test_sensitivities_that_do_not_add_up_end_at_the_prefix_that_lost_least() -> None:
    def loss(model: ModelProto) -> float:
        left = len(int8_nodes(model))
        return {8: 0.5, 7: 0.6, 6: 0.3, 5: 0.4}.get(left, 0.45)

    found = searched(ScriptedJudge(loss), goal(0.01))
    assert len(found.given_back) == 2
    assert found.best.score.loss == pytest.approx(0.3)
    assert [row.taken for row in found.rows] == [True, True, *[False] * 6]


def test_a_search_that_only_makes_it_worse_gives_nothing_back() -> None:
    found = searched(ScriptedJudge(lambda model: 1.0 / (1 + len(int8_nodes(model)))), goal(0.01))
    assert found.given_back == ()
    assert found.best.draft.nodes == QUANTIZABLE
    assert len(found.rows) == len(QUANTIZABLE) and not any(row.taken for row in found.rows)


@settings(max_examples=8)
@given(
    losses=st.lists(st.floats(0.001, 0.1), min_size=8, max_size=8),
    least_int8=st.floats(0.0, 1.0),
    most_bytes=st.floats(1.9, 2.3),
)
def test_no_search_spends_more_than_its_budgets(losses: list[float], least_int8: float, most_bytes: float) -> None:
    aim = goal(-inf, least_int8=least_int8, most_bytes=most_bytes)
    start = small_draft()
    found = searched(adding_up(dict(zip(QUANTIZABLE, losses, strict=True))), aim)
    float_bytes = small_model().ByteSize()
    assert share_of_macs(found.best.draft.nodes) >= min(least_int8, share_of_macs(QUANTIZABLE)) - 1e-9
    added = 3 * sum(NODES[name].weights for name in found.given_back)
    assert start.build().ByteSize() + added <= max(most_bytes * float_bytes, start.build().ByteSize())
    assert found.best.draft.build().ByteSize() <= max(most_bytes * float_bytes, start.build().ByteSize())


@pytest.mark.parametrize(
    "aim",
    [pytest.param(goal(0.0, least_int8=1.0), id="no products"), pytest.param(goal(0.0, most_bytes=0.1), id="no bytes")],
)
def test_without_a_budget_nothing_is_given_back(aim: Goal) -> None:
    found = searched(adding_up(LOSSES), aim)
    assert (found.given_back, found.rows) == ((), ())


def test_a_node_too_dear_is_passed_over_for_those_that_fit() -> None:
    rest = share_of_macs(QUANTIZABLE) - NODES["conv_main"].macs / sum(node.macs for node in NODES.values())
    found = searched(adding_up({"conv_stem": 0.5, "conv_main": 0.01}), goal(-inf, least_int8=rest))
    assert "conv_stem" not in found.given_back
    assert found.given_back[0] == "conv_main"


def test_what_each_node_costs_is_taken_from_what_is_left() -> None:
    least = share_of_macs(tuple(name for name in QUANTIZABLE if name != "conv_main")) - 1e-6
    found = searched(adding_up({"conv_main": 0.5, "conv_skip": 0.1}), goal(-inf, least_int8=least))
    assert found.given_back == ("conv_main",)


def test_only_nodes_that_are_int8_are_given_back() -> None:
    nodes = ("conv_stem", "matmul_new_hidden")
    found = searched(adding_up(LOSSES), goal(-inf), nodes)
    assert sorted(found.given_back) == sorted(nodes)
    assert isinstance(found.best, Tried) and found.best.draft.nodes == ()
