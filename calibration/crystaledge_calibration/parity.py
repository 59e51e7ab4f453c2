"""Two rollouts side by side, step by step: errors, cosines and clipping, without keeping the rollouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crystaledge.manifest.model import GraphSpec
from crystaledge_calibration.closed_loop_score import cosine_rows, joined_states
from crystaledge_calibration.records import ChannelClipping, StateTrace, TensorTrace

Array = NDArray[np.float32]
Float64 = NDArray[np.float64]


def checked_steps(horizon: int) -> tuple[int, ...]:
    """1, 2, 4 ... and the horizon itself."""
    powers = [1 << n for n in range(horizon.bit_length()) if 1 << n < horizon]
    return (*powers, horizon)


@dataclass(slots=True)
class StateClipping:
    """Counts state values that the int8 range cuts off on their way into the recurrent product."""

    limits: Mapping[str, float]
    """Largest representable |x| of each state input that is quantized."""
    beyond: dict[str, Float64] = field(default_factory=dict)
    total: dict[str, int] = field(default_factory=dict)

    def add(self, states: Mapping[str, Array]) -> None:
        """Take in the state inputs of one step, `(B, ...)`."""
        for name, limit in self.limits.items():
            rows = np.abs(states[name]).reshape(len(states[name]), -1) > limit
            self.beyond[name] = self.beyond.get(name, 0.0) + rows.sum(axis=0).astype(np.float64)
            self.total[name] = self.total.get(name, 0) + len(rows)

    def merge(self, other: StateClipping) -> None:
        """Take in the counts of another batch."""
        for name, counts in other.beyond.items():
            self.beyond[name] = self.beyond.get(name, 0.0) + counts
            self.total[name] = self.total.get(name, 0) + other.total[name]

    def record(self) -> tuple[ChannelClipping, ...]:
        """Share of clipped values by channel."""
        return tuple(
            ChannelClipping(tensor=name, share=tuple((counts / self.total[name]).tolist()))
            for name, counts in self.beyond.items()
        )


@dataclass(slots=True)
class _Sums:
    largest: float = 0.0
    total: float = 0.0
    values: int = 0


class ParityTrace:
    """Differences of two graphs at the checked steps, over any number of sequences."""

    def __init__(self, graph: GraphSpec, steps: Sequence[int]) -> None:
        self._graph, self._steps = graph, tuple(steps)
        self._sums = {(spec.name, step): _Sums() for spec in graph.outputs for step in steps}
        self._cosines: dict[int, list[Float64]] = {step: [] for step in steps}
        self._errors: dict[int, list[Float64]] = {step: [] for step in steps}

    def add(self, step: int, reference: Mapping[str, Array], deployed: Mapping[str, Array]) -> None:
        """Take in the outputs of one checked step of a batch; a value that is not finite is an infinite error."""
        for spec in self._graph.outputs:
            with np.errstate(invalid="ignore", over="ignore"):
                difference = np.abs(reference[spec.name].astype(np.float64) - deployed[spec.name])
            difference = np.where(np.isnan(difference), np.inf, difference)
            sums = self._sums[spec.name, step]
            sums.largest = max(sums.largest, float(difference.max()))
            sums.total += float(difference.sum())
            sums.values += difference.size
        a, b = joined_states(self._graph, reference), joined_states(self._graph, deployed)
        self._cosines[step].append(cosine_rows(a, b))
        self._errors[step].append(relative_error(a, b))

    def tensors(self) -> tuple[TensorTrace, ...]:
        """Every output's error over time."""
        return tuple(
            TensorTrace(
                tensor=spec.name,
                max_abs=tuple(_finite(self._sums[spec.name, s].largest) for s in self._steps),
                mean_abs=tuple(
                    _finite(self._sums[spec.name, s].total / self._sums[spec.name, s].values) for s in self._steps
                ),
            )
            for spec in self._graph.outputs
        )

    def state(self) -> StateTrace:
        """The state over time."""
        cosines = [np.concatenate(self._cosines[step]) for step in self._steps]
        errors = [np.concatenate(self._errors[step]) for step in self._steps]
        return StateTrace(
            cosine_mean=tuple(float(c.mean()) for c in cosines),
            cosine_p01=tuple(float(np.quantile(c, 0.01)) for c in cosines),
            cosine_min=tuple(float(c.min()) for c in cosines),
            relative_error=tuple(_finite(float(e.mean())) for e in errors),
        )


def relative_error(reference: Array, other: Array) -> Float64:
    """|other - reference| / |reference| along the last axis; 0 where both are zero, at most 1e6."""
    a, b = reference.astype(np.float64), other.astype(np.float64)
    difference, norm = np.linalg.norm(b - a, axis=-1), np.linalg.norm(a, axis=-1)
    error: Float64 = np.where(difference == 0.0, 0.0, difference / np.maximum(norm, 1e-12))
    return np.minimum(np.where(np.isfinite(error), error, np.inf), 1e6)


def _finite(value: float) -> float:
    """JSON has no infinity; 1e30 is beyond anything that a graph of ours gives."""
    return min(value, 1e30) if value == value else 1e30
