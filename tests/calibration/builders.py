"""A small step with everything that quantization has to treat, its numpy twin, and sequences held in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, write_bundle
from crystaledge.files import sha256_of
from crystaledge.locate import FixedBox
from crystaledge.manifest.model import FileRole, GraphSpec, Target
from crystaledge.preprocessing.spec import ColorOrder, Preprocessing
from crystaledge.sources.frame import Frame
from crystaledge_calibration.choices import Calibrator
from crystaledge_calibration.clips import SourceFile
from crystaledge_calibration.closed_loop_score import Judge, Score
from crystaledge_calibration.draft import Draft, cuts_by
from crystaledge_calibration.observe import observe_ranges
from crystaledge_calibration.qdq import quantized_tensors
from crystaledge_calibration.ranges import Observations
from crystaledge_calibration.sequence_set import Batch, SequenceSet
from crystaledge_calibration.step_model import WEIGHTED_OPS
from tests.support.manifests import CARD, CARD_FILE, GRAPH_FILE, tiny_graph_spec, tiny_manifest
from tests.support.step_graphs import HIDDEN, SIDE

Array = NDArray[np.float32]
OPSET = 17
IR_VERSION = 8
CHANNELS = 4
PREPROCESSING = Preprocessing(size_hw=(SIDE, SIDE))
"""That of `write_small_bundle`."""
STATE_READERS = ("gemm_update_hidden", "matmul_new_hidden")
QUANTIZABLE = (
    "conv_stem",
    "conv_main",
    "conv_skip",
    "gemm_update_face",
    "gemm_update_hidden",
    "matmul_new_face",
    "matmul_new_hidden",
    "gemm_quality",
)
"""Weighted nodes in the order in which they run; the heads read the next state and are not among them."""
HEADS = ("gemm_velocity", "gemm_log_variance")


def small_spec() -> GraphSpec:
    """The border of `small_model`: that of the tiny step."""
    return replace(tiny_graph_spec(), opset=OPSET, ir_version=IR_VERSION)


def small_weights(seed: int = 7) -> dict[str, Array]:
    """Weights of the small step; equal seeds give equal weights."""
    random = np.random.default_rng(seed)
    shapes = {
        "w_stem": (CHANNELS, 3, 3, 3),
        "b_stem": (CHANNELS,),
        "w_main": (CHANNELS, 1, 3, 3),
        "b_main": (CHANNELS,),
        "w_skip": (CHANNELS, CHANNELS, 1, 1),
        "b_skip": (CHANNELS,),
        "w_update_face": (HIDDEN, CHANNELS),
        "b_update_face": (HIDDEN,),
        "w_update_hidden": (HIDDEN, HIDDEN),
        "b_update_hidden": (HIDDEN,),
        "w_new_face": (CHANNELS, HIDDEN),
        "w_new_hidden": (HIDDEN, HIDDEN),
        "w_quality": (CHANNELS, 1),
        "b_quality": (1,),
        "w_velocity": (HIDDEN, 1),
        "b_velocity": (1,),
        "w_log_variance": (HIDDEN, 1),
        "b_log_variance": (1,),
    }
    return {name: random.normal(0.0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def small_model(changed: Mapping[str, Array] | None = None) -> onnx.ModelProto:
    """Conv, a residual sum of a depthwise and a pointwise Conv, pooling, and a state blended by a gate.

    Args:
        changed: weights in the place of `small_weights`.
    """
    return model_of(_nodes(), {**small_weights(), **(changed or {})})


def model_of(nodes: Sequence[NodeProto], weights: Mapping[str, Array]) -> onnx.ModelProto:
    """A model with the border of the small step."""

    def value(name: str, *row_shape: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *row_shape])

    inputs = [value("face", 3, SIDE, SIDE), value("hidden", HIDDEN)]
    outputs = [value("hidden_next", HIDDEN), *(value(name, 1) for name in ("velocity", "log_variance", "quality"))]
    initializers = [numpy_helper.from_array(weight, name) for name, weight in weights.items()]
    graph = helper.make_graph(list(nodes), "step", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def small_step(face: Array, hidden: Array, changed: Mapping[str, Array] | None = None) -> dict[str, Array]:
    """What the small graph computes, inner tensors included, written down a second time."""
    w = {**small_weights(), **(changed or {})}
    stem_relu = np.maximum(_conv(face, w["w_stem"], w["b_stem"]), 0.0)
    main = _depthwise(stem_relu, w["w_main"], w["b_main"])
    skip = _conv(stem_relu, w["w_skip"], w["b_skip"])
    features = np.maximum(main + skip, 0.0)
    pooled = features.mean(axis=(2, 3))
    update = pooled @ w["w_update_face"].T + w["b_update_face"] + hidden @ w["w_update_hidden"].T + w["b_update_hidden"]
    new = np.tanh(pooled @ w["w_new_face"] + hidden @ w["w_new_hidden"])
    following = new + _sigmoid(update) * (hidden - new)
    return {
        "stem_relu": stem_relu,
        "main": main,
        "skip": skip,
        "features": features,
        "pooled": pooled,
        "update": _sigmoid(update),
        "new": new,
        "hidden_next": following,
        "velocity": _sigmoid(following @ w["w_velocity"] + w["b_velocity"]),
        "log_variance": following @ w["w_log_variance"] + w["b_log_variance"],
        "quality": _sigmoid(pooled @ w["w_quality"] + w["b_quality"]),
    }


def small_batch(*, sequences: int = 3, steps: int = 5, distinct: int = 4, seed: int = 0) -> Batch:
    """Random frames, shown in random order."""
    random = np.random.default_rng(seed)
    frames = random.normal(size=(sequences * distinct, 3, SIDE, SIDE)).astype(np.float32)
    order = random.integers(0, distinct, (steps, sequences)) + distinct * np.arange(sequences)
    return Batch(frames, order.astype(np.int64))


@dataclass(frozen=True, slots=True)
class MemoryClip:
    """A clip whose pixels are held in memory; a film, so that frames follow one another."""

    name: str
    pixels: NDArray[np.uint8]
    """`(K, h, w, 3)`."""
    in_time: bool = True

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.pixels)

    def files(self) -> tuple[SourceFile, ...]:
        """One file that holds all pixels."""
        return (SourceFile(self.name, sha256_of(self.pixels.tobytes())),)

    def frames(self) -> tuple[Frame, ...]:
        """The frames."""
        return tuple(Frame(pixels, ColorOrder.RGB, i, self.name) for i, pixels in enumerate(self.pixels))


def memory_clips(count: int, *, distinct: int = 4, seed: int = 0) -> tuple[MemoryClip, ...]:
    """Clips of noise around a colour of their own."""
    random = np.random.default_rng(seed)
    shape = (count, distinct, SIDE, SIDE, 3)
    pixels = random.normal(random.uniform(40, 215, (count, 1, 1, 1, 3)), 40.0, shape).clip(0, 255).astype(np.uint8)
    return tuple(MemoryClip(f"clip{number}", rows) for number, rows in enumerate(pixels))


def memory_set(count: int = 6, *, steps: int = 6, distinct: int = 4, seed: int = 0) -> SequenceSet:
    """A sequence set of clips in memory."""
    clips = memory_clips(count, distinct=distinct, seed=seed)
    files = tuple(file for clip in clips for file in clip.files())
    return SequenceSet(clips=clips, files=files, steps=steps, seed=seed, box=FixedBox(), too_short=0)


def write_small_bundle(path: Path, model: onnx.ModelProto | None = None) -> Bundle:
    """A bundle whose graph is the small step."""
    manifest = replace(tiny_manifest(), graphs=(small_spec(),))
    data = (model or small_model()).SerializeToString(deterministic=True)
    parts = (Part(GRAPH_FILE, FileRole.GRAPH, data), Part(CARD_FILE, FileRole.MODEL_CARD, CARD))
    files = tuple(part.entry for part in parts)
    return write_bundle(path, replace(manifest, files=files), parts, force=False)


def tailed_set(count: int = 32, *, distinct: int = 8) -> SequenceSet:
    """Grey clips with one white value among all: the calibrators cut the frame each elsewhere."""
    shape = (count, distinct, SIDE, SIDE, 3)
    pixels = np.random.default_rng(0).normal(127.5, 3.0, shape).clip(0, 255).astype(np.uint8)
    pixels[0, 0, 0, 0, 0] = 255
    clips = tuple(MemoryClip(f"grey{number}", rows) for number, rows in enumerate(pixels))
    files = tuple(file for clip in clips for file in clip.files())
    return SequenceSet(clips=clips, files=files, steps=3, seed=0, box=FixedBox(), too_short=0)


@cache
def small_observations(target: Target = Target.TENSORRT) -> Mapping[str, Observations]:
    """What the small step's tensors hold in closed loop over `memory_set`. Not to be changed."""
    tensors = quantized_tensors(small_model(), target)
    return observe_ranges(small_spec(), small_model(), memory_set(), PREPROCESSING, tensors)


def small_draft(target: Target = Target.TENSORRT, *, nodes: tuple[str, ...] = QUANTIZABLE) -> Draft:
    """The small step, cut at its extremes."""
    seen = small_observations(target)
    return Draft(small_model(), target, seen, cuts_by(Calibrator.MINMAX, seen), nodes)


class ScriptedJudge(Judge):
    """Says of each candidate what a test wants it to say, and keeps what it was asked."""

    def __init__(self, loss: Callable[[onnx.ModelProto], float]) -> None:
        self._loss = loss
        self.asked: list[onnx.ModelProto] = []

    def score(self, candidate: onnx.ModelProto) -> Score:
        self.asked.append(candidate)
        return Score(np.full((1, 1), 1.0 - self._loss(candidate)))

    def score_all(self, candidates: Sequence[onnx.ModelProto]) -> list[Score]:
        return [self.score(candidate) for candidate in candidates]


def int8_nodes(model: onnx.ModelProto) -> tuple[str, ...]:
    """Names of the weighted nodes whose weight is int8, in the order of the small step."""
    made = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    found = {node.name for node in model.graph.node if node.op_type in WEIGHTED_OPS and node.input[1] in made}
    return tuple(sorted(found, key=(*QUANTIZABLE, *HEADS).index))


def contents_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def constants(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    """Initializers by name, to be calculated with."""
    return {initializer.name: numpy_helper.to_array(initializer) for initializer in model.graph.initializer}


def node_of(model: onnx.ModelProto, name: str) -> NodeProto:
    """The node of that name."""
    node: NodeProto = next(node for node in model.graph.node if node.name == name)
    return node


def maker_of(model: onnx.ModelProto, tensor: str) -> NodeProto | None:
    """The node that makes a tensor; None for inputs and constants."""
    return next((node for node in model.graph.node if tensor in node.output), None)


def dequantized(model: onnx.ModelProto, name: str) -> NodeProto:
    """The DequantizeLinear that makes a tensor; fails where anything else does."""
    maker = maker_of(model, name)
    assert maker is not None and maker.op_type == "DequantizeLinear", f"{name} is no dequantized tensor"
    return maker


def pairs(model: onnx.ModelProto) -> dict[str, list[NodeProto]]:
    """QuantizeLinear nodes by the tensor that they read."""
    found: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            found.setdefault(node.input[0], []).append(node)
    return found


def _nodes() -> list[NodeProto]:
    make = helper.make_node
    square = [1, 1, 1, 1]
    return [
        make("Conv", ["face", "w_stem", "b_stem"], ["stem"], "conv_stem", pads=square),
        make("Relu", ["stem"], ["stem_relu"], "relu_stem"),
        make("Conv", ["stem_relu", "w_main", "b_main"], ["main"], "conv_main", pads=square, group=CHANNELS),
        make("Conv", ["stem_relu", "w_skip", "b_skip"], ["skip"], "conv_skip"),
        make("Add", ["main", "skip"], ["summed"], "residual"),
        make("Relu", ["summed"], ["features"], "relu_block"),
        make("GlobalAveragePool", ["features"], ["averaged"], "pool"),
        make("Flatten", ["averaged"], ["pooled"], "flatten"),
        make("Gemm", ["pooled", "w_update_face", "b_update_face"], ["update_face"], "gemm_update_face", transB=1),
        make(
            "Gemm", ["hidden", "w_update_hidden", "b_update_hidden"], ["update_hidden"], "gemm_update_hidden", transB=1
        ),
        make("Add", ["update_face", "update_hidden"], ["raw_update"], "add_update"),
        make("Sigmoid", ["raw_update"], ["update"], "sigmoid_update"),
        make("MatMul", ["pooled", "w_new_face"], ["new_face"], "matmul_new_face"),
        make("MatMul", ["hidden", "w_new_hidden"], ["new_hidden"], "matmul_new_hidden"),
        make("Add", ["new_face", "new_hidden"], ["raw_new"], "add_new"),
        make("Tanh", ["raw_new"], ["new"], "tanh_new"),
        make("Sub", ["hidden", "new"], ["change"], "sub_change"),
        make("Mul", ["update", "change"], ["kept"], "mul_kept"),
        make("Add", ["new", "kept"], ["hidden_next"], "add_next"),
        make("Gemm", ["pooled", "w_quality", "b_quality"], ["raw_quality"], "gemm_quality"),
        make("Sigmoid", ["raw_quality"], ["quality"], "sigmoid_quality"),
        make("Gemm", ["hidden_next", "w_velocity", "b_velocity"], ["raw_velocity"], "gemm_velocity"),
        make("Sigmoid", ["raw_velocity"], ["velocity"], "sigmoid_velocity"),
        make("Gemm", ["hidden_next", "w_log_variance", "b_log_variance"], ["log_variance"], "gemm_log_variance"),
    ]


def _conv(x: Array, weight: Array, bias: Array) -> Array:
    """Stride 1, with as much padding as keeps the size."""
    reach = weight.shape[-1] // 2
    padded = np.pad(x, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    height, width = x.shape[2:]
    out = np.broadcast_to(bias[None, :, None, None], (len(x), len(weight), height, width)).astype(np.float32)
    for row in range(weight.shape[2]):
        for column in range(weight.shape[3]):
            window = padded[:, :, row : row + height, column : column + width]
            out = out + np.einsum("bihw,oi->bohw", window, weight[:, :, row, column])
    return out


def _depthwise(x: Array, weight: Array, bias: Array) -> Array:
    channels = [_conv(x[:, [c]], weight[[c]], bias[[c]]) for c in range(x.shape[1])]
    return np.concatenate(channels, axis=1)


def _sigmoid(x: Array) -> Array:
    return (1.0 / (1.0 + np.exp(-x))).astype(np.float32)
