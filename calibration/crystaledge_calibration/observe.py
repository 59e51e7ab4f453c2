"""What a float step graph's tensors hold while it runs over a sequence set in closed loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from crystaledge.engine.onnxruntime_engine import make_session
from crystaledge.errors import EngineError
from crystaledge.manifest.model import GraphSpec
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_calibration.calibration_set import CalibrationSet
from crystaledge_calibration.ranges import Observations
from crystaledge_calibration.rollout import StepFunction, observed_inputs, stream
from crystaledge_calibration.sequence_set import Batch
from crystaledge_calibration.split import SplitStep
from crystaledge_calibration.state_source import StateSource
from crystaledge_calibration.step_model import with_outputs

Array = NDArray[np.float32]


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
        return dict(zip(names, answers, strict=True))

    return step


def closed_loop(graph: GraphSpec, step: StepFunction, batch: Batch) -> Iterator[Mapping[str, Array]]:
    """Outputs of each step over a batch of sequences, the whole graph at every step."""
    (observed,) = observed_inputs(graph)
    return stream(graph, step, ({observed: rows} for rows in batch.steps()))


def observe_ranges(
    graph: GraphSpec,
    model: ModelProto,
    sequences: CalibrationSet,
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
    split = SplitStep(graph, model, tensors, threads=threads)
    seen = {name: Observations() for name in tensors}
    for batch in sequences.batches(preprocessing):
        encoded = []
        for part in split.encode(batch.frames):
            for name in split.front_tensors:
                seen[name].add(part[name])
            encoded.append({name: part[name] for name in split.frontier})
        for outputs in split.roll(batch, encoded, source=source):
            for name in split.back_tensors:
                seen[name].add(outputs[name])
            progress(len(batch))
    return seen
