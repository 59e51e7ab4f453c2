"""Tiny anomaly bundles as export writes them: patches against a memory, and a student beside its teacher.

Parts are striped; a defect is a dark blot or a bright one. Both networks are a few random filters, so that everything
is made in a moment, and their thresholds are calibrated on parts that the memory has not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from crystaledge.anomaly.bank import Bank
from crystaledge.anomaly.scoring import Scoring, score
from crystaledge.anomaly.spec import AnomalyDecision
from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, npz_bytes, write_bundle
from crystaledge.engine.onnxruntime_engine import make_session
from crystaledge.manifest.model import BatchRange, FileRole, GraphSpec, ParitySummary
from crystaledge.preprocessing.preprocessor import normalisation_table
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge.system import System
from crystaledge.systems.anomaly_contract import BANK, DISTANCE, FEATURES, IMAGE, MEMORY_FILE
from tests.support.manifests import CARD, CARD_FILE, tensor, tiny_manifest

Array = NDArray[np.float32]
Pixels = NDArray[np.uint8]
GRAPH = "anomaly"
SIDE, CELLS = 32, 8
CHANNELS, DIMS = 6, 8
BANK_ROWS = 96
PREPROCESSING = Preprocessing(size_hw=(SIDE, SIDE))
OPSET, IR_VERSION = 17, 8
"""Where ReduceMax still has its axes as attributes, which every TensorRT reads."""
_MEMORISED, _HELD_OUT = 12, 60
_FALSE_ALARM_RATE = 0.05


def parts(count: int, *, seed: int, defects: bool = False) -> Pixels:
    """Striped parts `(count, SIDE, SIDE, 3)`, RGB."""
    random = np.random.default_rng(seed)
    columns = np.arange(SIDE)
    pictures = []
    for number in range(count):
        stripes = 128.0 + 50.0 * np.sin(0.8 * columns + random.uniform(0, 6))[None, :, None]
        picture = stripes + random.normal(0.0, 6.0, (SIDE, SIDE, 3))
        if defects:
            y, x = random.integers(4, SIDE - 12, 2)
            picture[y : y + 8, x : x + 8] += 110.0 if number % 2 else -110.0
        pictures.append(picture.clip(0, 255))
    return np.stack(pictures).astype(np.uint8)


def write_parts(folder: Path, count: int, *, seed: int, defects: bool = False) -> Path:
    """`parts` as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(parts(count, seed=seed, defects=defects)):
        assert cv2.imwrite(str(folder / f"{seed}_{number}.png"), picture[..., ::-1])
    return folder


def anomaly_weights(seed: int = 11) -> dict[str, Array]:
    """Of the backbone."""
    random = np.random.default_rng(seed)

    def noise(scale: float, *shape: int) -> Array:
        return random.normal(0.0, scale, shape).astype(np.float32)

    return {
        "stem.weight": noise(0.35, CHANNELS, 3, 3, 3),
        "stem.bias": noise(0.1, CHANNELS),
        "down.weight": noise(0.3, DIMS, CHANNELS, 3, 3),
        "down.bias": noise(0.1, DIMS),
    }


def patch_nodes() -> list[NodeProto]:
    """Features, and their distance to the nearest row of the memory, which is the weight of a 1x1 Conv."""
    make = helper.make_node
    return [
        *_backbone("", FEATURES),
        make("Conv", [FEATURES, "bank.weight", "bank.bias"], ["nearness"], "conv_bank"),
        make("ReduceMax", ["nearness"], ["nearest"], "reduce_nearest", axes=[1], keepdims=1),
        make("Mul", [FEATURES, FEATURES], ["squares"], "mul_squares"),
        make("ReduceSum", ["squares", "axis"], ["length"], "reduce_length", keepdims=1),
        make("Mul", ["nearest", "two"], ["doubled"], "mul_two"),
        make("Sub", ["length", "doubled"], ["squared"], "sub_squared"),
        make("Relu", ["squared"], ["clamped"], "relu_squared"),
        make("Sqrt", ["clamped"], [DISTANCE], "sqrt_distance"),
    ]


def student_nodes() -> list[NodeProto]:
    """Mean squared difference of two backbones, cell by cell."""
    make = helper.make_node
    return [
        *_backbone("", "taught"),
        *_backbone("student.", "imitated"),
        make("Sub", ["taught", "imitated"], ["apart"], "sub_apart"),
        make("Mul", ["apart", "apart"], ["squares"], "mul_squares"),
        make("ReduceMean", ["squares"], [DISTANCE], "reduce_distance", axes=[1], keepdims=1),
    ]


def patchcore_model(changed: Mapping[str, Array] | None = None) -> onnx.ModelProto:
    """The graph with the memory; its outputs are `distance` and `features`."""
    bank = memory()
    weights = {
        **anomaly_weights(),
        "bank.weight": bank[:, :, None, None],
        "bank.bias": -0.5 * np.square(bank).sum(axis=1),
        **(changed or {}),
    }
    return _model(patch_nodes(), weights, {DISTANCE: 1, FEATURES: DIMS})


def student_model() -> onnx.ModelProto:
    """The graph with a student who knows its teacher less the further from grey; its output is `distance`."""
    teacher = anomaly_weights()
    random = np.random.default_rng(3)
    student = {
        f"student.{name}": value * random.normal(1.0, 0.3, value.shape).astype(np.float32)
        for name, value in teacher.items()
    }
    return _model(student_nodes(), {**teacher, **student}, {DISTANCE: 1})


@cache
def memory() -> Array:
    """`(BANK_ROWS, DIMS)`: patches of normal parts, in float16's values; not to be changed."""
    model = _model(_backbone("", FEATURES), anomaly_weights(), {FEATURES: DIMS})
    features = answers(model, rows_of(parts(_MEMORISED, seed=1)))[FEATURES]
    patches = features.transpose(0, 2, 3, 1).reshape(-1, DIMS)
    chosen = np.random.default_rng(0).permutation(len(patches))[:BANK_ROWS]
    return patches[chosen].astype(np.float16).astype(np.float32)


def rows_of(pixels: Pixels) -> Array:
    """Pixels `(N, SIDE, SIDE, 3)` as the network gets them, `(N, 3, SIDE, SIDE)`."""
    table = normalisation_table(PREPROCESSING)
    rows: Array = np.stack([table[channel][pixels[..., channel]] for channel in range(3)], axis=1)
    return rows


def answers(model: onnx.ModelProto, rows: Array) -> dict[str, Array]:
    """What a graph says of images."""
    session = make_session(model.SerializeToString(), threads=1)
    names = [value.name for value in model.graph.output]
    return dict(zip(names, session.run(names, {IMAGE: rows}), strict=True))


def write_patchcore_bundle(path: Path, *, rerank: int = 4, neighbours: int = 3) -> Bundle:
    """A bundle with a memory."""
    scoring = Scoring(neighbours=neighbours, rerank=rerank, bank=Bank(memory()))
    part = Part(MEMORY_FILE, FileRole.MEMORY, npz_bytes({BANK: memory().astype(np.float16)}))
    return _written(path, System.PATCHCORE, patchcore_model(), scoring, (part,))


def write_student_bundle(path: Path) -> Bundle:
    """A bundle whose graph says it all."""
    return _written(path, System.STUDENT_TEACHER, student_model(), Scoring(blur_cells=0.7), ())


def _written(path: Path, system: System, model: onnx.ModelProto, scoring: Scoring, more: Sequence[Part]) -> Bundle:
    spec = _spec(model)
    data: bytes = model.SerializeToString(deterministic=True)
    written = (
        Part(spec.file, FileRole.GRAPH, data),
        Part(f"golden/{GRAPH}.npz", FileRole.GOLDEN, _golden(model)),
        Part(CARD_FILE, FileRole.MODEL_CARD, CARD),
        *more,
    )
    parity = ParitySummary(graph=GRAPH, reference="numpy", steps=1, batches=(1, 2), max_abs_error=1e-6, tolerance=1e-4)
    manifest = replace(
        tiny_manifest(),
        system=system,
        graphs=(spec,),
        files=tuple(part.entry for part in written),
        preprocessing=PREPROCESSING,
        decision=calibrated(model, scoring),
        parity=(parity,),
        latency=(),
        choice=None,
    )
    return write_bundle(path, manifest, written, force=False)


def calibrated(model: onnx.ModelProto, scoring: Scoring) -> AnomalyDecision:
    """Decision parameters from parts that were held out."""
    said = answers(model, rows_of(parts(_HELD_OUT, seed=2)))
    features = said.get(FEATURES)
    scored = [
        score(said[DISTANCE][row], None if features is None else features[row], scoring) for row in range(_HELD_OUT)
    ]
    raw = np.sort([one.raw for one in scored])
    return AnomalyDecision(
        threshold=float(raw[-max(int(_FALSE_ALARM_RATE * _HELD_OUT), 1)]),
        centre=float(np.median(raw)),
        spread=float(raw.std()),
        false_alarm_rate=_FALSE_ALARM_RATE,
        false_alarm_interval=(0.01, 0.14),
        held_out=_HELD_OUT,
        region_threshold=float(np.max([one.cells.max() for one in scored])),
        blur_cells=scoring.blur_cells,
        neighbours=scoring.neighbours,
        rerank=scoring.rerank,
        calibrated_on="drawn parts",
    )


def _spec(model: onnx.ModelProto) -> GraphSpec:
    outputs = [(value.name, value.type.tensor_type.shape.dim[1].dim_value) for value in model.graph.output]
    return GraphSpec(
        name=GRAPH,
        file=f"graphs/{GRAPH}.float32.onnx",
        precision=tiny_manifest().graphs[0].precision,
        target=None,
        derived_from=None,
        opset=OPSET,
        ir_version=IR_VERSION,
        inputs=(tensor(IMAGE, 3, SIDE, SIDE),),
        outputs=tuple(tensor(name, channels, CELLS, CELLS) for name, channels in outputs),
        batch=BatchRange(min=1, max=4, buckets=(1, 2, 4)),
        states=(),
    )


def _golden(model: onnx.ModelProto) -> bytes:
    """Two steps of two images, as uint8 frames, and what the graph answers."""
    frames = parts(4, seed=4, defects=True)
    said = {
        f"output.{name}": rows.reshape(2, 2, *rows.shape[1:]) for name, rows in answers(model, rows_of(frames)).items()
    }
    return npz_bytes({"frames": frames.reshape(2, 2, SIDE, SIDE, 3), **said})


def _backbone(prefix: str, output: str) -> list[NodeProto]:
    make = helper.make_node
    hidden = f"{prefix}stem_relu"

    def conv(source: str, name: str, target: str) -> NodeProto:
        inputs = [source, f"{prefix}{name}.weight", f"{prefix}{name}.bias"]
        return make("Conv", inputs, [target], f"conv_{prefix}{name}", pads=[1] * 4, strides=[2, 2])

    return [
        conv(IMAGE, "stem", f"{prefix}stem"),
        make("Relu", [f"{prefix}stem"], [hidden], f"relu_{prefix}stem"),
        conv(hidden, "down", f"{prefix}down"),
        make("Relu", [f"{prefix}down"], [output], f"relu_{prefix}down"),
    ]


def _model(nodes: Sequence[NodeProto], weights: Mapping[str, Array], outputs: Mapping[str, int]) -> onnx.ModelProto:
    """A model from `image` to maps with so many channels each."""

    def value(name: str, channels: int, side: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", channels, side, side])

    constants: dict[str, NDArray[np.generic]] = {
        **weights,
        "axis": np.array([1], np.int64),
        "two": np.array(2.0, np.float32),
    }
    read = {name for node in nodes for name in node.input}
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items() if name in read]
    made = [value(name, channels, CELLS) for name, channels in outputs.items()]
    graph = helper.make_graph(list(nodes), GRAPH, [value(IMAGE, 3, SIDE)], made, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
