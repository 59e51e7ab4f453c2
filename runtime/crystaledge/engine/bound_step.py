"""A graph at one batch size, ready to run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import ContractError
from crystaledge.manifest.model import GraphSpec
from crystaledge.tensors import TensorSpec

Array = NDArray[np.float32]


class BoundStep(ABC):
    """One graph at one fixed batch size, with buffers that are owned, reused and never reallocated.

    Fill `inputs`, call `run`, read `outputs`; the arrays stay the same objects for life.

    Args:
        buffer: makes the array of a tensor; None for plain memory.
    """

    def __init__(self, graph: GraphSpec, batch: int, *, buffer: Callable[[TensorSpec], Array] | None = None) -> None:
        if not graph.batch.min <= batch <= graph.batch.max:
            msg = f"Batch {batch} is outside of {graph.batch.min} to {graph.batch.max}, the range of {graph.name!r}."
            raise ContractError(msg)
        self.batch = batch
        make = buffer or (lambda spec: spec.buffer(batch))
        self.inputs: Mapping[str, Array] = {spec.name: make(spec) for spec in graph.inputs}
        self.outputs: Mapping[str, Array] = {spec.name: make(spec) for spec in graph.outputs}

    @abstractmethod
    def run(self) -> None:
        """Compute `outputs` from `inputs`."""
