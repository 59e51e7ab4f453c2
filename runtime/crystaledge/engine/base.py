"""The seam between the runtime and whatever runs a graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from crystaledge.engine.bound_step import BoundStep
from crystaledge.engine.states import HostStates, StateMemory
from crystaledge.errors import ContractError, EngineError
from crystaledge.manifest.model import GraphSpec
from crystaledge.tensors import StatePair

Array = NDArray[np.float32]


class Engine(ABC):
    """Runs one graph. A backend checks the graph's border when it is made and binds steps."""

    name: str

    def __init__(self, graph: GraphSpec) -> None:
        self.graph = graph
        self._steps: dict[int, BoundStep] = {}

    def bind(self, batch: int) -> BoundStep:
        """The step for one batch size; made once and kept.

        Raises:
            ContractError: the batch is outside of the graph's range.
        """
        if batch not in self._steps:
            self._steps[batch] = self._bind(batch)
        return self._steps[batch]

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Run once on arrays of any legal batch size; the results are fresh copies.

        Raises:
            ContractError: a name, type, shape or batch size breaks the graph's contract.
        """
        batch = self._checked_batch(feeds)
        step = self.bind(batch)
        for name, array in feeds.items():
            np.copyto(step.inputs[name], array)
        step.run()
        return {name: array.copy() for name, array in step.outputs.items()}

    def state_memory(self, states: Sequence[StatePair], capacity: int) -> StateMemory:
        """Where states lie that this engine's steps advance."""
        return HostStates(states, capacity)

    def restart(self) -> None:
        """After a `DeviceError`: start afresh, with every track's state as after the last whole step.

        Steps that were bound before must not be used any more.

        Raises:
            EngineError: this backend cannot, or the device does not come back.
        """
        msg = f"An engine of {self.name} cannot be restarted."
        raise EngineError(msg)

    def close(self) -> None:
        """Let go of the bound steps and their buffers; the next call binds anew."""
        self._steps.clear()

    @abstractmethod
    def _bind(self, batch: int) -> BoundStep:
        """Make the step for a batch size."""

    def _checked_batch(self, feeds: Mapping[str, Array]) -> int:
        expected = {spec.name for spec in self.graph.inputs}
        if set(feeds) != expected:
            msg = f"Graph {self.graph.name!r} got inputs {sorted(feeds)}; expected {sorted(expected)}."
            raise ContractError(msg)
        for spec in self.graph.inputs:
            spec.check(feeds[spec.name])
        sizes = {len(array) for array in feeds.values()}
        if len(sizes) != 1:
            msg = f"Graph {self.graph.name!r} got inputs of different batch sizes, {sorted(sizes)}."
            raise ContractError(msg)
        return sizes.pop()
