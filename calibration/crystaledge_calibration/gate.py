"""The gate: which demands are not met, since when, and the verdict in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from crystaledge_calibration.records import DecisionParity, Fault, Finding, Limits, StateTrace

GROWTH_FROM = 16
"""Error at the horizon is compared with the error at this step."""


def growth_of(state: StateTrace, steps: Sequence[int]) -> float:
    """Error of the state at the horizon over its error at step 16 (or the last checked before)."""
    early = max((i for i, step in enumerate(steps) if step <= GROWTH_FROM), default=0)
    return min(state.relative_error[-1] / max(state.relative_error[early], 1e-9), 1e9)


def findings(
    steps: Sequence[int], state: StateTrace, growth: float, decisions: DecisionParity, limits: Limits
) -> tuple[Finding, ...]:
    """Every demand that was not met, the earliest first."""
    horizon = steps[-1]
    found = [
        _below("mean cosine of the state", state.cosine_mean, limits.cosine_mean, steps),
        _below("1st percentile of the state's cosine", state.cosine_p01, limits.cosine_p01, steps),
        _above("growth of the state's error from step 16 on", growth, limits.growth, horizon),
        _above("loss of AUC", decisions.auc_loss.value, limits.auc_loss, decisions.auc_step),
        _above("frames between the commits", decisions.most_frames_apart, limits.frames_apart, horizon),
        _short("sequences that commit in the same frame", decisions.same_commit, limits.same_commit, horizon),
        _short("equal best matches", decisions.same_match, limits.same_match, horizon),
        _short("equal verdicts", decisions.same_verdict, limits.same_verdict, horizon),
    ]
    return tuple(sorted((f for f in found if f is not None), key=lambda f: f.step))


def sentence(graph: str, found: Sequence[Finding], fault: Fault | None, *, sequences: int, horizon: int) -> str:
    """The verdict in words."""
    if not found:
        return f"{graph} keeps its memory: every demand is met in {sequences} sequences of {horizon} closed-loop steps."
    first = found[0]
    text = f"{graph} fails at step {first.step}: {first.demand} is {first.measured:.4g}, the limit is {first.limit:g}"
    if fault is None:
        return f"{text}."
    if not fault.node:
        return (
            f"{text}; every layer agrees when both graphs are given the same state, so {fault.tensor!r} is fed back "
            "wrongly, or small errors add up."
        )
    return (
        f"{text}; the first tensor at fault is {fault.tensor!r} of the node {fault.node!r}, off by {fault.error:.0%}."
    )


def _below(demand: str, values: Sequence[float], limit: float, steps: Sequence[int]) -> Finding | None:
    missed = [i for i, value in enumerate(values) if not value >= limit]
    if not missed:
        return None
    return Finding(demand=demand, measured=float(values[missed[0]]), limit=limit, step=steps[missed[0]])


def _short(demand: str, value: float, limit: float, step: int) -> Finding | None:
    return None if value >= limit else Finding(demand=demand, measured=value, limit=limit, step=step)


def _above(demand: str, value: float, limit: float, step: int) -> Finding | None:
    return None if value <= limit else Finding(demand=demand, measured=float(value), limit=limit, step=step)
