"""One call that advances so many tracks of any engine, as our runtime does it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from crystaledge.engine.base import Engine
from crystaledge.manifest.model import GraphSpec
from crystaledge.tracks.stepper import Stepper
from crystaledge.tracks.store import StateStore
from crystaledge_calibration.rollout import observed_inputs

Array = NDArray[np.float32]


def stepped(engine: Engine, graph: GraphSpec, *, tracks: int) -> Callable[[], object]:
    """One call that stages, advances and keeps the state of so many tracks.

    The rows lie in the staged buffers already, as the preprocessor leaves them there.
    """
    store = StateStore(graph.states, memory=engine.state_memory)
    stepper = Stepper(engine, store)
    for track in range(tracks):
        store.create(track)
    members = list(range(tracks))
    for name, array in example_rows(graph, tracks).items():
        np.copyto(stepper.stage(tracks)[name][:tracks], array)

    def call() -> object:
        stepper.stage(tracks)
        return stepper.advance(members)

    return call


def example_rows(graph: GraphSpec, batch: int) -> dict[str, Array]:
    """Normally distributed observations, always the same; values do not change what a step costs."""
    random = np.random.default_rng(0)
    inputs = observed_inputs(graph)
    return {name: random.standard_normal((batch, *graph.input(name).row_shape)).astype(np.float32) for name in inputs}
