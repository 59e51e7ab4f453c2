"""What the tests of the closed-loop gate share: drawn people, random pixels, and bundles with an int8 graph."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from crystaledge.bundle import Bundle
from crystaledge.files import sha256_of
from crystaledge.locate import FixedBox
from crystaledge.manifest.model import GraphSpec, Precision, Target, identity_decision
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame
from crystaledge_calibration.clips import SourceFile, open_clips
from crystaledge_calibration.lockstep import Side
from crystaledge_calibration.observe import observe_ranges, watched_step
from crystaledge_calibration.qdq import TensorRange, quantized_tensors, with_qdq
from crystaledge_calibration.quantize import quantized_name
from crystaledge_calibration.records import DecisionParity, Interval, Limits, StateTrace, VerificationRecord
from crystaledge_calibration.rollout import initial_states
from crystaledge_calibration.sequence_set import SequenceSet, choose_sequences
from crystaledge_calibration.state_source import StateSource
from crystaledge_calibration.step_model import weighted_nodes
from crystaledge_calibration.verify import VerifyOptions, verify_graph
from tests.support.step_graphs import SIDE

Array = NDArray[np.float32]
Change = Callable[[str, NDArray[np.generic]], NDArray[np.generic]]
HORIZON = 64
# The shares of matches and commits are coarse among so few: one sequence of 24 is 4 %. All else is as shipped.
LIMITS = replace(Limits(), same_match=0.95, same_commit=0.95)


@dataclass(frozen=True, slots=True)
class NoiseClip:
    """Random pixels, the same at every call; no two clips of different numbers share a frame."""

    number: int
    length: int = 8
    in_time: bool = True
    side_px: int = SIDE

    @property
    def name(self) -> str:
        return f"somebody{self.number}"

    def files(self) -> tuple[SourceFile, ...]:
        return (SourceFile(self.name, sha256_of(self.name.encode())),)

    def frames(self) -> tuple[Frame, ...]:
        random = np.random.default_rng(self.number)
        shape = (self.length, self.side_px, self.side_px, 3)
        pixels = random.integers(0, 256, shape, dtype=np.uint8)
        return tuple(Frame(picture, ColorOrder.RGB, i, self.name) for i, picture in enumerate(pixels))


def noise_sequences(count: int, *, steps: int, seed: int = 0, in_time: bool = True, length: int = 8) -> SequenceSet:
    """Sequences of random pixels, small enough for the tiny step."""
    clips = tuple(NoiseClip(number, length, in_time) for number in range(count))
    files = tuple(file for clip in clips for file in clip.files())
    return SequenceSet(clips=clips, files=files, steps=steps, seed=seed, box=FixedBox(), too_short=0)


@dataclass(frozen=True, slots=True)
class KeptClip:
    """Frames that were drawn once: a gate that runs a dozen times need not draw them again."""

    name: str
    kept: tuple[Frame, ...]
    sources: tuple[SourceFile, ...]
    in_time: bool = True

    @property
    def length(self) -> int:
        return len(self.kept)

    def files(self) -> tuple[SourceFile, ...]:
        return self.sources

    def frames(self) -> tuple[Frame, ...]:
        return self.kept


def drawn_sequences(count: int, *, steps: int, scene_seed: int) -> SequenceSet:
    """People of the synthetic scene; another seed draws other people."""
    clips = open_clips("synthetic", scene_seed=scene_seed)
    chosen = choose_sequences(clips, sequences=count, steps=steps, warm_up=4, seed=0, box=FixedBox())
    return replace(chosen, clips=tuple(KeptClip(clip.name, clip.frames(), clip.files()) for clip in chosen.clips))


def with_int8_graph(bundle: Bundle, data: bytes) -> tuple[Bundle, GraphSpec]:
    """The bundle with a file in the place of its TensorRT graph, in memory only."""
    graph = bundle.graph()
    spec = replace(
        graph,
        name=quantized_name(graph, Target.TENSORRT),
        file="graphs/step.int8.tensorrt.onnx",
        precision=Precision.INT8,
        target=Target.TENSORRT,
        derived_from=graph.name,
    )
    manifest = replace(bundle.manifest, graphs=(graph, spec))
    return Bundle(bundle.path, manifest, {**bundle.contents, spec.file: data}), spec


def side_of_model(model: ModelProto) -> Side:
    """A graph as the gate steps it."""
    return Side(model, lambda: watched_step(model, ()))


def state_trace(*, cosine_mean: tuple[float, ...], cosine_p01: tuple[float, ...] | None = None) -> StateTrace:
    """A state trace whose relative error is 1 - cosine."""
    return StateTrace(
        cosine_mean=cosine_mean,
        cosine_p01=cosine_mean if cosine_p01 is None else cosine_p01,
        cosine_min=cosine_mean,
        relative_error=tuple(1.0 - cosine for cosine in cosine_mean),
    )


def decision_parity() -> DecisionParity:
    """Two graphs that decide alike in everything."""
    return DecisionParity(
        sequences=10,
        false_accept_rate=0.1,
        same_match=1.0,
        same_verdict=1.0,
        same_commit=1.0,
        committed=0.5,
        most_frames_apart=0,
        auc_step=4,
        auc_float=0.9,
        auc_deployed=0.9,
        auc_loss=Interval(value=0.0, low=0.0, high=0.0),
        eer_float=0.1,
        eer_deployed=0.1,
        eer_rise=Interval(value=0.0, low=0.0, high=0.0),
        det_float=((0.0, 1.0), (1.0, 0.0)),
        det_deployed=((0.0, 1.0), (1.0, 0.0)),
    )


@dataclass(frozen=True)
class Planted:
    """The float model, and what its cell's inputs hold while calibrated."""

    bundle: Bundle
    model: ModelProto
    calibrating: SequenceSet
    verifying: SequenceSet

    def node_of(self, weight: str) -> str:
        return next(node.name for node in weighted_nodes(self.model) if node.weight == weight)

    def int8(self, states: StateSource, *, empty_range: float = 0.0, more: str = "cell.") -> ModelProto:
        """Our Q/DQ around the cell's two products.

        Args:
            empty_range: what a quantizer makes up for a state that never left zero.
            more: prefix of other weights that become int8 too.
        """
        graph, preprocessing = self.bundle.graph(), self.bundle.manifest.preprocessing
        tensors = quantized_tensors(self.model, Target.TENSORRT)
        seen = observe_ranges(graph, self.model, self.calibrating, preprocessing, tensors, source=states)
        amax = {name: s.largest or empty_range for name, s in seen.items()}
        ranges = {name: TensorRange(-value, value) for name, value in amax.items()}
        nodes = [node.name for node in weighted_nodes(self.model) if node.weight.startswith(("cell.", more))]
        return with_qdq(self.model, Target.TENSORRT, ranges, nodes=nodes)

    def verified(
        self, model: ModelProto, *, horizon: int = HORIZON, limits: Limits = LIMITS, deployed: Side | None = None
    ) -> VerificationRecord:
        trial, spec = with_int8_graph(self.bundle, model.SerializeToString())
        return verify_graph(
            trial, spec, self.verifying, VerifyOptions(horizon=horizon, limits=limits), deployed=deployed
        )


class _Feeds(CalibrationDataReader):  # type: ignore[misc]
    """The calibration rollout's inputs, with its own states or with invented ones, for ONNX Runtime's quantizer."""

    def __init__(self, planted: Planted, states: StateSource) -> None:
        self._feeds = self._read(planted, states)

    def get_next(self) -> Mapping[str, Array] | None:
        return next(self._feeds, None)

    @staticmethod
    def _read(planted: Planted, source: StateSource) -> Iterator[Mapping[str, Array]]:
        graph, random = planted.bundle.graph(), np.random.default_rng(0)
        step = watched_step(planted.model, ())
        for batch in planted.calibrating.batches(planted.bundle.manifest.preprocessing):
            states = initial_states(graph, len(batch))
            for rows in batch.steps():
                if source is StateSource.NORMAL:
                    states = {k: random.standard_normal(v.shape).astype(np.float32) for k, v in states.items()}
                feeds = {"face": rows.copy(), **states}
                yield feeds
                states = {pair.input: step(feeds)[pair.output] for pair in graph.states}


def int8_by_onnxruntime(planted: Planted, states: StateSource, folder: Path) -> ModelProto:
    """Everything from the cell's products on in int8, the gates and the state included."""
    nodes = [node.name for node in planted.model.graph.node]
    first = min(nodes.index(planted.node_of(weight)) for weight in ("cell.weight_ih", "cell.weight_hh"))
    source, target = folder / "float.onnx", folder / "int8.onnx"
    source.write_bytes(planted.model.SerializeToString())
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # the quantizer advises its own pre-processing
    try:
        quantize_static(
            source,
            target,
            _Feeds(planted, states),
            nodes_to_quantize=nodes[first:],
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            extra_options={"ActivationSymmetric": True, "WeightSymmetric": True},
        )
    finally:
        root.setLevel(level)
    return onnx.load(target)


def changed(model: ModelProto, prefixes: tuple[str, ...], change: Change) -> ModelProto:
    """A copy with some initializers changed."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for initializer in copy.graph.initializer:
        if initializer.name.startswith(prefixes):
            value = np.ascontiguousarray(change(initializer.name, numpy_helper.to_array(initializer)))
            initializer.CopyFrom(numpy_helper.from_array(value, initializer.name))
    return copy


def with_swapped_gates(planted: Planted, sound: ModelProto, *prefixes: str) -> ModelProto:
    """Rows of the update gate before those of the reset gate, with their scales and zero points."""
    width = identity_decision(planted.bundle.manifest.decision, where="The bundle").dimensions
    rows = np.r_[width : 2 * width, 0:width, 2 * width : 3 * width]
    return changed(sound, prefixes, lambda name, value: value[rows])


def along_the_other_axis(model: ModelProto, weight: str) -> ModelProto:
    """Scales of a weight's output channels, applied along its input channels."""
    inputs = next(i.dims[1] for i in model.graph.initializer if i.name == f"{weight}_quantized")
    short = ("_scale", "_zero_point")
    wrong = changed(model, (weight,), lambda name, value: value[:inputs] if name.endswith(short) else value)
    (node,) = (node for node in wrong.graph.node if node.name == f"{weight}_DequantizeLinear")
    (axis,) = (attribute for attribute in node.attribute if attribute.name == "axis")
    assert axis.i == 0
    axis.i = 1
    return wrong


class LateState:
    """Steps a graph with the state of one step before."""

    def __init__(self, model: ModelProto) -> None:
        self._step = watched_step(model, ())
        self._before: Array | None = None

    def __call__(self, feeds: Mapping[str, Array], /) -> Mapping[str, Array]:
        used = feeds["hidden"] if self._before is None else self._before
        self._before = feeds["hidden"]
        return self._step({**feeds, "hidden": used})
