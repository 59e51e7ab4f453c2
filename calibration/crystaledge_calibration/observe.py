"""What a float step graph's tensors hold while it runs over a sequence set in closed loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from crystaledge.engine.onnxruntime_engine import make_session
from crystaledge.errors import EngineError
from crystaledge.manifest.model import GraphSpec
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_calibration.ranges import Observations
from crystaledge_calibration.rollout import StepFunction, initial_states, observed_inputs
from crystaledge_calibration.sequence_set import Batch, SequenceSet
from crystaledge_calibration.step_model import with_outputs

Array = NDArray[np.float32]


class StateSource(Enum):
    """Where the state comes from while ranges are taken."""

    ROLLOUT = "rollout"
    """The graph's own, fed back: what deployment does."""
    ZEROS = "zeros"
    """A fresh state at every frame: what a folder of images gives every other quantizer. Planted in tests."""
    NORMAL = "normal"
    """Standard normal noise: what a random-input quantizer gives. Planted in tests."""


def watched_step(model: ModelProto, tensors: Sequence[str], *, threads: int = 1) -> StepFunction:
    """A step function that also answers with inner tensors, by name."""
    exposed = with_outputs(model, tensors)
    session = make_session(exposed.SerializeToString(), threads=threads, optimize=not tensors)
    names = [v.name for v in exposed.graph.output]

    def step(feeds: Mapping[str, Array]) -> Mapping[str, Array]:
        try:
            answers = session.run(names, dict(feeds))
        except Exception as error:  # ONNX Runtime's own exception types share no base but this
            msg = f"ONNX Runtime failed while a rollout ran: {str(error).splitlines()[0]}"
            raise EngineError(msg) from error
        return {**dict(zip(names, answers, strict=True)), **{t: feeds[t] for t in tensors if t in feeds}}

    return step


def closed_loop(
    graph: GraphSpec, step: StepFunction, batch: Batch, *, source: StateSource = StateSource.ROLLOUT
) -> Iterator[Mapping[str, Array]]:
    """Outputs of each step over a batch of sequences."""
    (observed,) = observed_inputs(graph)
    generator = np.random.default_rng(0)
    states = initial_states(graph, len(batch))
    for rows in batch.steps():
        if source is StateSource.NORMAL:
            states = {k: generator.standard_normal(v.shape).astype(np.float32) for k, v in states.items()}
        outputs = step({observed: rows, **states})
        yield outputs
        if source is StateSource.ROLLOUT:
            states = {pair.input: outputs[pair.output] for pair in graph.states}


def observe_ranges(
    graph: GraphSpec,
    model: ModelProto,
    sequences: SequenceSet,
    preprocessing: Preprocessing,
    tensors: Sequence[str],
    *,
    source: StateSource = StateSource.ROLLOUT,
    threads: int = 1,
    progress: Callable[[int], object] = lambda done: None,
) -> dict[str, Observations]:
    """Ranges of tensors, inputs and states included, over all steps of all sequences; memory is constant.

    Args:
        progress: told how many sequence-steps were taken since the last call.
    """
    step = watched_step(model, tensors, threads=threads)
    seen = {name: Observations() for name in tensors}
    for batch in sequences.batches(preprocessing):
        for outputs in closed_loop(graph, step, batch, source=source):
            for name, observations in seen.items():
                observations.add(outputs[name])
            progress(len(batch))
    return seen
