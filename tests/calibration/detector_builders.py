"""A small detector of bright squares with all that quantization has to treat, its bundle, and pictures for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, write_bundle
from crystaledge.detection.spec import DetectionDecision, DetectionPoint
from crystaledge.manifest.model import BatchRange, FileRole, GraphSpec, Target
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge.system import System
from crystaledge_calibration.choices import Calibrator
from crystaledge_calibration.family import size_of
from crystaledge_calibration.image_folders import Purpose
from crystaledge_calibration.image_set import ImageSet, choose_images
from crystaledge_calibration.image_task import task_of
from crystaledge_calibration.quantize import Quantized, add_to_bundle
from crystaledge_calibration.quantize_family import family_to_quantize, quantize_family
from crystaledge_calibration.recipe import RecipeOptions
from tests.calibration.spoiling import serialized
from tests.support.manifests import CARD, CARD_FILE, tensor, tiny_manifest

Array = NDArray[np.float32]
SIDE = 64
OCTAVES = 2
SIDES = (64, 32, 48)
"""Of the graphs; the last is that of a window."""
CHANNELS = 6
OPSET, IR_VERSION = 18, 8
PREPROCESSING = Preprocessing(size_hw=(SIDE, SIDE))
DECISION = DetectionDecision(
    octaves=OCTAVES,
    point=DetectionPoint(score=0.6, precision=1.0, recall=1.0),
    low_score=0.3,
    suppression_iou=0.3,
    smallest_face_px=8.0,
    track_score=0.3,
    birth_score=0.3,
    calibrated_on="nobody",
)
WHOLE = "detect_64x64"
PLAIN = RecipeOptions(
    target=Target.CPU, calibrator=Calibrator.MINMAX, equalize=False, correct_bias=False, goal=None, keep_float=()
)


def detector_weights() -> dict[str, Array]:
    """The first channel carries brightness, the others disturb it."""
    random = np.random.default_rng(5)

    def noise(*shape: int) -> Array:
        return random.normal(0.0, 0.08, shape).astype(np.float32)

    first, depth, point = noise(CHANNELS, 3, 3, 3), noise(CHANNELS, 1, 3, 3), noise(CHANNELS, CHANNELS, 1, 1)
    shared, logit, box = noise(CHANNELS, CHANNELS, 3, 3), noise(1, CHANNELS, 1, 1), noise(4, CHANNELS, 1, 1)
    first[0] += 1.0 / 27.0
    depth[:, 0] += 1.0 / 9.0
    point[0, 0] += 1.0
    shared[0, 0] += 1.0 / 9.0
    logit[0, 0] += 4.0
    return {
        "stem.weight": first,
        "stem.bias": np.zeros(CHANNELS, np.float32),
        "down.weight": depth,
        "down.bias": noise(CHANNELS),
        "depthwise.weight": depth[::-1].copy(),
        "depthwise.bias": noise(CHANNELS),
        "pointwise.weight": point,
        "pointwise.bias": noise(CHANNELS),
        "shared.weight": shared,
        "shared.bias": noise(CHANNELS),
        "logit.weight": logit,
        "logit.bias": np.array([-6.0], np.float32),
        "box.weight": 0.2 * box,
        "box.bias": np.array([0.0, 0.0, 1.4, 1.4], np.float32),
    }


def detector_model(side: int = SIDE, changed: Mapping[str, Array] | None = None) -> onnx.ModelProto:
    """Two convolutions with stride, a residual block around its own input, and two heads that read features."""

    def value(name: str, channels: int, size: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", channels, size, size])

    cells = side // 4
    outputs = [value("logit", 1, cells), value("box", 4, cells), value("features", CHANNELS, cells)]
    weights = {**detector_weights(), **(changed or {})}
    initializers = [numpy_helper.from_array(weight, name) for name, weight in weights.items()]
    graph = helper.make_graph(_nodes(), f"detect_{side}", [value("image", 3, side)], outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def detector_spec(side: int = SIDE) -> GraphSpec:
    """The border of `detector_model`."""
    cells = side // 4
    return GraphSpec(
        name=f"detect_{side}x{side}",
        file=f"graphs/detect_{side}.onnx",
        precision=tiny_manifest().graphs[0].precision,
        target=None,
        derived_from=None,
        opset=OPSET,
        ir_version=IR_VERSION,
        inputs=(tensor("image", 3, side, side),),
        outputs=(
            tensor("logit", 1, cells, cells),
            tensor("box", 4, cells, cells),
            tensor("features", CHANNELS, cells, cells),
        ),
        batch=BatchRange(min=1, max=4, buckets=(1, 2, 4)),
        states=(),
    )


def write_detector_bundle(path: Path) -> Bundle:
    """A bundle of the detector in three sizes, the whole image's first."""
    specs = tuple(detector_spec(side) for side in SIDES)
    graphs = zip(specs, SIDES, strict=True)
    parts = [Part(spec.file, FileRole.GRAPH, serialized(detector_model(side))) for spec, side in graphs]
    parts.append(Part(CARD_FILE, FileRole.MODEL_CARD, CARD))
    manifest = replace(
        tiny_manifest(),
        system=System.PHANTOM,
        graphs=specs,
        files=tuple(part.entry for part in parts),
        preprocessing=PREPROCESSING,
        decision=DECISION,
        parity=(),
        latency=(),
        choice=None,
    )
    return write_bundle(path, manifest, tuple(parts), force=False)


def write_pictures(folder: Path, count: int, *, seed: int = 0, squares: int = 2) -> Path:
    """Noise with bright squares, small ones and large ones."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for number in range(count):
        picture = random.normal(60.0, 15.0, (SIDE, SIDE, 3))
        for corner in range(squares):
            side = int(random.integers(12, 25))
            y, x = random.integers(0, 32 - side, 2) + 32 * np.array(divmod(3 * corner, 2))
            picture[y : y + side, x : x + side] = random.normal(235.0, 8.0, (side, side, 3))
        assert cv2.imwrite(str(folder / f"{number}.png"), picture.clip(0, 255).astype(np.uint8))
    return folder


def pictures(folder: Path, *, images: int = 99, without: frozenset[str] = frozenset()) -> ImageSet:
    """What `write_pictures` wrote, as a set."""
    return choose_images(
        str(folder), images=images, octaves=OCTAVES, seed=0, purpose=Purpose.CALIBRATE, without=without
    )


def quantized(bundle: Bundle, images: ImageSet, options: RecipeOptions = PLAIN) -> tuple[Quantized, ...]:
    """Every size, quantized."""
    members = family_to_quantize(bundle, None, options.target, force=True)
    return quantize_family(bundle, members, images, task_of(bundle), options)


def quantized_bundle(bundle: Bundle, images: ImageSet, options: RecipeOptions = PLAIN) -> Bundle:
    """The bundle with the quantized graphs in it."""
    return add_to_bundle(bundle, *quantized(bundle, images, options))


def int8_names(bundle: Bundle, target: Target = Target.CPU) -> list[str]:
    """The quantized graphs, the whole image's first."""
    graphs = [graph for graph in bundle.manifest.graphs if graph.target is target]
    return [graph.name for graph in sorted(graphs, key=lambda graph: size_of(graph) != (SIDE, SIDE))]


@cache
def _nodes() -> list[NodeProto]:
    make = helper.make_node

    def conv(source: str, name: str, target: str, *, stride: int = 1, group: int = 1, reach: int = 1) -> NodeProto:
        inputs = [source, f"{name}.weight", f"{name}.bias"]
        return make("Conv", inputs, [target], f"conv_{name}", pads=[reach] * 4, strides=[stride] * 2, group=group)

    return [
        conv("image", "stem", "stem", stride=2),
        make("Relu", ["stem"], ["stem_relu"], "relu_stem"),
        conv("stem_relu", "down", "down", stride=2, group=CHANNELS),
        make("Relu", ["down"], ["block"], "relu_down"),
        conv("block", "depthwise", "depthwise", group=CHANNELS),
        make("Relu", ["depthwise"], ["inner"], "relu_depthwise"),
        conv("inner", "pointwise", "pointwise", reach=0),
        make("Add", ["pointwise", "block"], ["summed"], "residual"),
        make("Relu", ["summed"], ["features"], "relu_block"),
        conv("features", "shared", "shared"),
        make("Relu", ["shared"], ["head"], "relu_shared"),
        conv("head", "logit", "logit", reach=0),
        conv("head", "box", "box", reach=0),
    ]
