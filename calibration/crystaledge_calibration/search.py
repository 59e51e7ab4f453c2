"""Sensitivity of each node in closed loop, and giving nodes back to float, worst first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from crystaledge_calibration.closed_loop_score import Judge, Score
from crystaledge_calibration.draft import Draft, Tried, tried
from crystaledge_calibration.records import Limits, RecipeStep


@dataclass(frozen=True, slots=True)
class Searched:
    """Where the precision search ended."""

    best: Tried
    given_back: tuple[str, ...]
    """Nodes that went back to float, in that order."""
    rows: tuple[RecipeStep, ...]


def sensitivities(judge: Judge, draft: Draft) -> dict[str, float]:
    """Closed-loop loss with one node alone in int8, for each int8 node of a draft."""
    scores = judge.score_all([draft.build(nodes=(name,)) for name in draft.nodes])
    return {name: score.loss for name, score in zip(draft.nodes, scores, strict=True)}


def give_back(judge: Judge, start: Tried, sensitivity: Mapping[str, float], limits: Limits) -> Searched:
    """Return nodes to float, the most sensitive first, until the state's cosine is within limits.

    Sensitivities add up well enough to order the nodes; each return is measured all the same.
    """
    best, given, rows = start, list[str](), list[RecipeStep]()
    for name in sorted(sensitivity, key=lambda n: -sensitivity[n]):
        if within(best.score, limits):
            break
        nodes = tuple(n for n in best.draft.nodes if n != name)
        (best,) = tried(judge, replace(best.draft, nodes=nodes))
        given.append(name)
        rows.append(_row(name, best.score))
    return Searched(best, tuple(given), tuple(rows))


def within(score: Score, limits: Limits) -> bool:
    """The state keeps its direction at every step, on average and in the tail."""
    return score.mean >= limits.cosine_mean and score.p01 >= limits.cosine_p01


def _row(name: str, score: Score) -> RecipeStep:
    return RecipeStep(
        name=f"{name} given back to float32",
        taken=True,
        loss=score.loss,
        cosine_mean=score.mean,
        cosine_p01=score.p01,
    )
