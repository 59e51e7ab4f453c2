"""Rolling a step graph out in closed loop: its own state fed back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crystaledge.engine.base import Engine
from crystaledge.errors import ContractError
from crystaledge.manifest.model import GraphSpec

Array = NDArray[np.float32]


class StepFunction(Protocol):
    """One step of anything: inputs by name to outputs by name, fresh arrays, batch first."""

    def __call__(self, feeds: Mapping[str, Array], /) -> Mapping[str, Array]: ...


def initial_states(graph: GraphSpec, batch: int) -> dict[str, Array]:
    """Fresh states of a graph by input name, `(batch, *shape)`."""
    return {pair.input: np.full((batch, *pair.shape), pair.initial, np.float32) for pair in graph.states}


def observed_inputs(graph: GraphSpec) -> tuple[str, ...]:
    """Inputs that come from outside, in the graph's order: all that are not state."""
    states = {pair.input for pair in graph.states}
    return tuple(spec.name for spec in graph.inputs if spec.name not in states)


def stream(
    graph: GraphSpec, step: StepFunction, observations: Iterable[Mapping[str, Array]]
) -> Iterator[Mapping[str, Array]]:
    """Outputs of each step in turn, from fresh states; nothing is kept but the state.

    Args:
        observations: of each step, by input name, `(B, ...)`; the arrays may be reused.
    """
    states: dict[str, Array] = {}
    for observed in observations:
        states = states or initial_states(graph, len(next(iter(observed.values()))))
        outputs = step({**observed, **states})
        yield outputs
        states = {pair.input: outputs[pair.output] for pair in graph.states}


def roll_out(graph: GraphSpec, step: StepFunction, observations: Mapping[str, Array]) -> dict[str, Array]:
    """`stream`, with every output kept.

    Args:
        observations: for each observed input, `(T, B, ...)`.

    Returns:
        For each output, `(T, B, ...)`.

    Raises:
        ContractError: an observed input is missing or too many, or lengths differ.
    """
    names = observed_inputs(graph)
    if set(observations) != set(names) or len({array.shape[:2] for array in observations.values()}) != 1:
        msg = f"Rollout got {sorted(observations)}; expected {sorted(names)}, all with the same steps and batch."
        raise ContractError(msg)
    steps = len(next(iter(observations.values())))
    rows = ({name: array[t] for name, array in observations.items()} for t in range(steps))
    kept: dict[str, list[Array]] = {spec.name: [] for spec in graph.outputs}
    for outputs in stream(graph, step, rows):
        for name, values in kept.items():
            values.append(outputs[name])
    return {name: np.stack(values) for name, values in kept.items()}


def roll_out_engine(engine: Engine, observations: Mapping[str, Array]) -> dict[str, Array]:
    """`roll_out` of an engine's graph."""
    return roll_out(engine.graph, engine.run, observations)
