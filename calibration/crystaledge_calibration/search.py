"""Sensitivity of each node in closed loop, and giving nodes back to float, worst first, within a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from crystaledge_calibration.closed_loop_score import Score, Scorer
from crystaledge_calibration.draft import Draft, Tried, tried
from crystaledge_calibration.records import RecipeStep
from crystaledge_calibration.step_model import weighted_nodes

_FLOAT_COSTS = 3
"""Bytes that a weight costs more in float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What the precision search aims at, and what it may spend."""

    cosine_mean: float = 0.9995
    """Of the state, at the worst step."""
    cosine_p01: float = 0.998
    least_int8: float = 0.8
    """Share of the multiply-accumulates that stays int8, whatever the search would like."""
    most_bytes: float = 0.55
    """Size of the file, as a share of the float one."""

    def reached(self, score: Score) -> bool:
        """The state keeps its direction at every step, on average and in the tail."""
        return score.mean >= self.cosine_mean and score.p01 >= self.cosine_p01


@dataclass(frozen=True, slots=True)
class Searched:
    """Where the precision search ended."""

    best: Tried
    given_back: tuple[str, ...]
    """Nodes that went back to float, in that order."""
    rows: tuple[RecipeStep, ...]


def sensitivities(judge: Scorer, draft: Draft) -> dict[str, float]:
    """Closed-loop loss with one node alone in int8, for each int8 node of a draft."""
    scores = judge.score_all([draft.build(nodes=(name,)) for name in draft.nodes])
    return {name: score.loss for name, score in zip(draft.nodes, scores, strict=True)}


def give_back(judge: Scorer, start: Tried, goal: Goal) -> Searched:
    """Return nodes to float until the goal is reached or the budget spent; the most loss for its price goes first.

    Every prefix of that order is measured: sensitivities do not add up exactly. The first prefix
    that reaches the goal is taken, else the one with the least loss.
    """
    if goal.reached(start.score):
        return Searched(start, (), ())
    order = _order(start.draft, sensitivities(judge, start.draft), goal)
    drafts = [_without(start.draft, order[: count + 1]) for count in range(len(order))]
    attempts = [start, *tried(judge, *drafts)]
    reached = next((i for i, attempt in enumerate(attempts) if goal.reached(attempt.score)), None)
    chosen = reached if reached is not None else min(range(len(attempts)), key=lambda i: attempts[i].score.loss)
    rows = tuple(_row(order[i - 1], attempts[i].score, taken=i <= chosen) for i in range(1, len(attempts)))
    return Searched(attempts[chosen], order[:chosen], rows)


def _order(draft: Draft, sensitivity: Mapping[str, float], goal: Goal) -> tuple[str, ...]:
    """Nodes by loss for their price, as many as the budgets of MACs and bytes allow."""
    nodes = {node.name: node for node in weighted_nodes(draft.model)}
    total = sum(node.macs for node in nodes.values())
    macs_left = sum(nodes[name].macs for name in draft.nodes) - goal.least_int8 * total
    bytes_left = goal.most_bytes * draft.model.ByteSize() - draft.build().ByteSize()
    budgets = max(macs_left, 1.0), max(bytes_left, 1.0)

    def price(name: str) -> float:
        macs, extra = nodes[name].macs, _FLOAT_COSTS * nodes[name].weights
        return float(max(macs / budgets[0], extra / budgets[1]))

    order = []
    for name in sorted(sensitivity, key=lambda n: -sensitivity[n] / price(n)):
        node = nodes[name]
        if node.macs <= macs_left and _FLOAT_COSTS * node.weights <= bytes_left:
            macs_left -= node.macs
            bytes_left -= _FLOAT_COSTS * node.weights
            order.append(name)
    return tuple(order)


def _without(draft: Draft, names: tuple[str, ...]) -> Draft:
    return replace(draft, nodes=tuple(n for n in draft.nodes if n not in names))


def _row(name: str, score: Score, *, taken: bool) -> RecipeStep:
    return RecipeStep(
        name=f"{name} given back to float32",
        taken=taken,
        loss=score.loss,
        cosine_mean=score.mean,
        cosine_p01=score.p01,
    )
