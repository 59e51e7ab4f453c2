"""A step graph in two: what depends on the frame alone, and what depends on the state.

An encoder gives the same answer for the same frame at every step, so a rollout over a clip of K
distinct frames needs K encodings, however long it is. Calibration tries dozens of candidates over
thousands of steps; `verify` does not take this road, it runs the file that ships.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper

from crystaledge.engine.onnxruntime_engine import make_session
from crystaledge.manifest.model import GraphSpec
from crystaledge_calibration.rollout import initial_states, observed_inputs
from crystaledge_calibration.sequence_set import Batch
from crystaledge_calibration.state_source import StateSource

Array = NDArray[np.float32]
_CHUNK = 64
"""Frames that are encoded together."""


class SplitStep:
    """Both halves of a step graph, ready to run.

    Args:
        tensors: inner tensors that are wanted too.
    """

    def __init__(self, graph: GraphSpec, model: ModelProto, tensors: Sequence[str] = (), *, threads: int = 1) -> None:
        self._graph = graph
        (self._observed,) = observed_inputs(graph)
        constants, front, back = _parts(graph, model)
        made_front = {self._observed, *_outputs_of(front)}
        outputs = [spec.name for spec in graph.outputs]
        read = {name for node in back for name in node.input}
        self.frontier = sorted(name for name in made_front if name in read or name in outputs)
        self.front_tensors = tuple(name for name in tensors if name in made_front)
        self.back_tensors = tuple(name for name in tensors if name not in made_front)
        wanted = [n for n in (*self.frontier, *self.front_tensors) if n != self._observed]
        self._front_names = tuple(dict.fromkeys(wanted))
        states = [pair.input for pair in graph.states]
        inner = [name for name in self.back_tensors if name not in states]
        self._back_names = tuple(dict.fromkeys([n for n in outputs if n not in made_front] + inner))
        self._back_inputs = [*(n for n in self.frontier if n in read), *states]
        maker = _SessionMaker(model=model, threads=threads, optimize=not tensors)  # some fusions lose inner tensors
        self._front = maker.session(constants + front, [self._observed], self._front_names)
        self._back = maker.session(constants + back, self._back_inputs, self._back_names)

    def encode(self, frames: Array) -> Iterator[dict[str, Array]]:
        """What depends on the frame alone, chunk by chunk of `(N, 3, h, w)`."""
        for start in range(0, len(frames), _CHUNK):
            rows = frames[start : start + _CHUNK]
            answers = self._front.run(list(self._front_names), {self._observed: rows}) if self._front else []
            yield {self._observed: rows, **dict(zip(self._front_names, answers, strict=True))}

    def roll(
        self, batch: Batch, encoded: Iterable[Mapping[str, Array]], *, source: StateSource = StateSource.ROLLOUT
    ) -> Iterator[dict[str, Array]]:
        """The closed loop over a batch: outputs and wanted inner tensors behind the state, step by step.

        Args:
            encoded: what `encode` gave for the batch's frames.
        """
        parts = list(encoded)
        known = {name: np.concatenate([part[name] for part in parts]) for name in self.frontier}
        states = initial_states(self._graph, len(batch))
        generator = np.random.default_rng(0)
        for places in batch.places():
            if source is StateSource.NORMAL:
                states = {k: generator.standard_normal(v.shape).astype(np.float32) for k, v in states.items()}
            here = {name: values[places] for name, values in known.items()}
            feeds = {name: (here | states)[name] for name in self._back_inputs}
            answers = self._back.run(list(self._back_names), feeds) if self._back else []
            outputs = {**here, **states, **dict(zip(self._back_names, answers, strict=True))}
            yield outputs
            if source is StateSource.ROLLOUT:
                states = {pair.input: outputs[pair.output] for pair in self._graph.states}

    def closed_loop(self, batch: Batch) -> Iterator[dict[str, Array]]:
        """`encode` and `roll`."""
        return self.roll(batch, self.encode(batch.frames))


def _parts(graph: GraphSpec, model: ModelProto) -> tuple[list[NodeProto], list[NodeProto], list[NodeProto]]:
    """Nodes that depend on (nothing, such as a weight's Q/DQ; the frame alone; the state)."""
    dependent = {pair.input for pair in graph.states}
    fixed = {i.name for i in model.graph.initializer} | {""}
    constants, front, back = list[NodeProto](), list[NodeProto](), list[NodeProto]()
    for node in model.graph.node:
        if dependent & set(node.input):
            dependent |= set(node.output)
            back.append(node)
        elif fixed >= set(node.input):
            fixed |= set(node.output)
            constants.append(node)
        else:
            front.append(node)
    return constants, front, back


def _outputs_of(nodes: Iterable[NodeProto]) -> set[str]:
    return {name for node in nodes for name in node.output}


@dataclass(frozen=True, slots=True, kw_only=True)
class _SessionMaker:
    """Makes sessions of some of a model's nodes; what the outputs do not need, a session drops by itself."""

    model: ModelProto
    threads: int
    optimize: bool

    def session(
        self, nodes: Sequence[NodeProto], inputs: Sequence[str], outputs: Sequence[str]
    ) -> ort.InferenceSession | None:
        if not outputs:
            return None
        read = {name for node in nodes for name in node.input}
        part = helper.make_graph(
            nodes,
            "part",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inputs],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            [i for i in self.model.graph.initializer if i.name in read],
        )
        opsets, ir_version = list(self.model.opset_import), self.model.ir_version
        whole = helper.make_model(part, opset_imports=opsets, ir_version=ir_version)
        return make_session(whole.SerializeToString(), threads=self.threads, optimize=self.optimize)
