"""Advances tracks through a step graph: all of them in one batched call, padded to a bucket."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.engine.base import Engine
from crystaledge.engine.bound_step import BoundStep
from crystaledge.engine.states import StateRows
from crystaledge.errors import ContractError, StateError
from crystaledge.tracks.store import StateStore

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Plan:
    """A bound step with everything about it that does not change from call to call."""

    step: BoundStep
    staged: Mapping[str, Array]
    results: Mapping[str, Array]
    states: tuple[StateRows, ...]


class Stepper:
    """Feeds states back: gathers them into the engine's buffers, runs, scatters the next ones.

    For each chunk of tracks: `stage` gives the input buffers, the caller writes its rows into them,
    `advance` runs the graph. Tensors are never allocated per call; buffers and views are made once a size.
    """

    def __init__(self, engine: Engine, store: StateStore) -> None:
        self.store = store
        self._engine = engine
        self._buckets = engine.graph.batch.buckets
        self._plans: dict[int, _Plan] = {}
        self._staged: _Plan | None = None

    @property
    def largest(self) -> int:
        """Most tracks that one call can advance."""
        return self._buckets[-1]

    def chunks(self, count: int) -> Iterator[range]:
        """Cut `count` tracks into ranges that one call can advance."""
        for start in range(0, count, self.largest):
            yield range(start, min(start + self.largest, count))

    def stage(self, count: int) -> Mapping[str, Array]:
        """Input buffers for the next `advance` of `count` tracks; row i is for the i-th of them.

        Raises:
            ContractError: more than `largest`, or none.
        """
        plan = self._plans.get(count) or self._plan(count)
        self._staged = plan
        return plan.staged

    def advance(self, tracks: Sequence[int]) -> Mapping[str, Array]:
        """Run one step for the staged tracks and keep their new states.

        Returns:
            Outputs by name, `(len(tracks), ...)`; views that the next call overwrites.

        Raises:
            StateError: nothing was staged for so many tracks, one is not alive, or one comes twice.
        """
        plan, count = self._staged, len(tracks)
        if plan is None or self._plans.get(count) is not plan:
            msg = f"Advance of {count} tracks was not staged; call stage({count}) and fill its buffers first."
            raise StateError(msg)
        slots = self.store.slots(tracks)
        if count > 1 and len(set(slots)) != count:
            msg = "A track comes twice in one step; one step advances each track once."
            raise StateError(msg)
        self.store.memory.advance(plan.step, plan.states, slots)
        self._staged = None
        return plan.results

    def forget(self) -> None:
        """Bind anew at the next step: the engine was restarted."""
        self._plans.clear()
        self._staged = None

    def _plan(self, count: int) -> _Plan:
        if not 1 <= count <= self.largest:
            msg = f"One call advances 1 to {self.largest} tracks; got {count}."
            raise ContractError(msg)
        graph = self._engine.graph
        step = self._engine.bind(self._buckets[bisect_left(self._buckets, count)])
        states = {pair.input for pair in graph.states}
        plan = _Plan(
            step,
            {spec.name: step.inputs[spec.name] for spec in graph.inputs if spec.name not in states},
            {spec.name: step.outputs[spec.name][:count] for spec in graph.outputs},
            tuple(
                StateRows(pair.input, step.inputs[pair.input][:count], step.outputs[pair.output][:count])
                for pair in graph.states
            ),
        )
        self._plans[count] = plan
        return plan
