"""A small detector with Phantom's very receptive field and random weights, in ONNX Runtime, and frames to show it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from crystaledge.detection.camera_view import BOX, FEATURES, LOGIT
from crystaledge.detection.codec import STRIDE_PX
from crystaledge.detection.detector import IMAGE, Detector, DetectorConfig
from crystaledge.detection.spec import DetectionDecision, DetectionPoint
from crystaledge.engine.base import Engine
from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine
from crystaledge.manifest.model import BatchRange, GraphSpec, Precision
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder, Fit, Preprocessing, Resampling
from crystaledge.sources.frame import Frame
from tests.support.manifests import tensor
from tests.support.step_graphs import IR_VERSION, OPSET

Size = tuple[int, int]

OCTAVES = 3
WINDOWS_PX = (80, 48)
LARGEST_BATCH = 4
STEM, STAGE1, STAGE2 = 4, 6, 8
SEED = 8
"""Of weights that find a face in every fifth cell of a texture."""


class _Network:
    """Collects nodes and weights; every method adds a layer and gives the name of its output."""

    def __init__(self, seed: int, *, positive: bool) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[TensorProto] = []
        self._random = np.random.default_rng(seed)
        self._positive = positive

    def conv(self, x: str, channels: Size, *, side: int = 3, stride: int = 1, groups: int = 1, out: str = "") -> str:
        taps = channels[0] // groups * side * side
        weight = self._random.normal(0.0, (1.6 / taps) ** 0.5, (channels[1], channels[0] // groups, side, side))
        bias = self._random.normal(0.0, 0.1, channels[1])
        if self._positive:
            weight, bias = np.abs(weight) + 0.01, np.abs(bias)
        names = [self._weight(weight), self._weight(bias)]
        attributes = {"strides": [stride] * 2, "pads": [side // 2] * 4, "group": groups}
        return self._node("Conv", [x, *names], out, **attributes)

    def relu(self, x: str, *, out: str = "") -> str:
        return self._node("Relu", [x], out)

    def block(self, x: str, channels: Size, *, stride: int = 1, out: str = "") -> str:
        """The depthwise residual block of `crystaledge_training.blocks`."""
        same = stride == 1 and channels[0] == channels[1]
        shortcut = x if same else self.conv(x, channels, side=1, stride=stride)
        depthwise = self.conv(x, (channels[0], channels[0]), stride=stride, groups=channels[0])
        main = self.conv(self.relu(depthwise), channels, side=1)
        return self.relu(self._node("Add", [main, shortcut], ""), out=out)

    def _weight(self, value: NDArray[np.float64]) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value.astype(np.float32), name))
        return name

    def _node(self, kind: str, inputs: list[str], out: str, **attributes: Any) -> str:
        out = out or f"x{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [out], **attributes))
        return out


def detector_model(size_hw: Size, *, seed: int = SEED, positive: bool = False) -> bytes:
    """Maps of images of one size, as `crystaledge_training.phantom.network.Detector` makes them, with fewer channels.

    Args:
        positive: no weight below 0, so that whatever a cell can see, it shows.
    """
    net = _Network(seed, positive=positive)
    stem = net.relu(net.conv(IMAGE, (3, STEM), stride=2))
    stage1 = net.block(net.block(stem, (STEM, STAGE1)), (STAGE1, STAGE1))
    stage2 = net.block(net.block(stage1, (STAGE1, STAGE2), stride=2), (STAGE2, STAGE2), out=FEATURES)
    shared = net.relu(net.conv(stage2, (STAGE2, STAGE2)))
    net.conv(shared, (STAGE2, 1), side=1, out=LOGIT)
    net.conv(shared, (STAGE2, 4), side=1, out=BOX)
    spec = detector_spec(size_hw)
    inputs, outputs = (
        [helper.make_tensor_value_info(s.name, TensorProto.FLOAT, list(s.shape)) for s in side]
        for side in (spec.inputs, spec.outputs)
    )
    graph = helper.make_graph(net.nodes, "detect", inputs, outputs, net.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def detector_spec(size_hw: Size) -> GraphSpec:
    """The border of `detector_model`."""
    cells = size_hw[0] // STRIDE_PX, size_hw[1] // STRIDE_PX
    return GraphSpec(
        name=f"detect_{size_hw[0]}x{size_hw[1]}",
        file="graphs/detect.onnx",
        precision=Precision.FLOAT32,
        target=None,
        derived_from=None,
        opset=OPSET,
        ir_version=IR_VERSION,
        inputs=(tensor(IMAGE, 3, *size_hw),),
        outputs=(tensor(LOGIT, 1, *cells), tensor(BOX, 4, *cells), tensor(FEATURES, STAGE2, *cells)),
        batch=BatchRange(min=1, max=LARGEST_BATCH, buckets=(1, 2, LARGEST_BATCH)),
        states=(),
    )


@cache
def engine(size_hw: Size) -> Engine:
    """The detector at one size; made once."""
    return OnnxRuntimeEngine(detector_spec(size_hw), detector_model(size_hw))


def engines(size_hw: Size) -> dict[Size, Engine]:
    """A graph for each octave and each window, as a bundle has them."""
    sizes = [(size_hw[0] >> octave, size_hw[1] >> octave) for octave in range(OCTAVES)]
    sizes += [(side, side) for side in WINDOWS_PX if side < min(size_hw)]
    return {size: engine(size) for size in dict.fromkeys(sizes)}


def spec_of(size_hw: Size) -> Preprocessing:
    """Frames go in as they are where they have the network's size."""
    return Preprocessing(size_hw=size_hw, fit=Fit.LETTERBOX, resampling=Resampling.AREA)


def decision(*, low_score: float = 0.5, octaves: int = OCTAVES) -> DetectionDecision:
    """Thresholds that random weights pass in some cells and not in others."""
    return DetectionDecision(
        octaves=octaves,
        point=DetectionPoint(score=0.7, precision=0.5, recall=0.5),
        low_score=low_score,
        suppression_iou=0.4,
        smallest_face_px=10.0,
        track_score=0.5,
        birth_score=0.5,
        calibrated_on="nothing",
    )


def detector(size_hw: Size, config: DetectorConfig) -> Detector:
    """A detector that has seen nothing yet."""
    return Detector(engines(size_hw), Preprocessor(spec_of(size_hw)), decision(), config)


def frame(pixels: NDArray[np.uint8], sequence: str = "door", index: int = 0) -> Frame:
    """A frame of one camera."""
    return Frame(pixels.copy(), ColorOrder.RGB, index, sequence)


def texture(size_hw: Size, seed: int, *, grain_px: int = 4) -> NDArray[np.uint8]:
    """Random blocks of random colours, uint8 `(h, w, 3)`."""
    cells = -(-size_hw[0] // grain_px), -(-size_hw[1] // grain_px)
    blocks = np.random.default_rng(seed).integers(40, 216, (*cells, 3), dtype=np.uint8)
    return blocks.repeat(grain_px, axis=0).repeat(grain_px, axis=1)[: size_hw[0], : size_hw[1]]
