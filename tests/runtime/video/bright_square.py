"""A detector that is written down by hand: it finds bright squares on grey, exactly, and its track cell sees them too.

A cell sums the bright pixels of its 31 px field; their centroid and their number are the box. So a test knows each box,
each score and each gap in advance, which no trained network would grant.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, write_bundle
from crystaledge.detection.camera_view import BOX, FEATURES, LOGIT
from crystaledge.detection.codec import STRIDE_PX
from crystaledge.detection.detector import IMAGE
from crystaledge.detection.spec import DetectionDecision, DetectionPoint
from crystaledge.detection.track_inputs import PATCH_PX, ROI_CELLS
from crystaledge.files import sha256_of
from crystaledge.manifest.model import (
    SCHEMA_VERSION,
    BatchRange,
    FileRole,
    GraphSpec,
    Manifest,
    ParitySummary,
    Precision,
    Provenance,
)
from crystaledge.preprocessing.spec import Fit, Preprocessing, Resampling
from crystaledge.system import System
from crystaledge.systems.phantom_contract import BIRTH, BOX_DELTA, HIDDEN, HIDDEN_NEXT, PATCH, ROI, SCORE, VELOCITY
from tests.runtime.video.onnx_graph import OnnxGraph
from tests.support.manifests import state_pair, tensor
from tests.support.step_graphs import IR_VERSION, OPSET

SIZES = (128, 64, 32, 80, 48)
POINT_SCORE, LOW_SCORE, BIRTH_SCORE = 0.6, 0.25, 0.3
DIM = 213
"""A square of this value scores about 0.3, between both thresholds."""
FAINT = 204
"""A square of this value is not detected, and the track cell still sees it."""

_REACH = 15
_SUMS = ("count", "x", "y", "ring", "light", "spread")
_HIDDEN = 2


def write_detector(
    path: Path, *, score: float | None = None, birth: float = 0.9, low_score: float = LOW_SCORE
) -> Bundle:
    """The bundle of the square detector.

    Args:
        score: what the track cell always answers; None answers by how bright its patch is.
        birth: what it always answers to a new detection.
    """
    graphs = {_name(side): (_detect_spec(side), _detect_model(side)) for side in SIZES}
    graphs["track"] = (_track_spec(), _track_model(score, birth))
    parts = tuple(Part(spec.file, FileRole.GRAPH, _bytes(model)) for spec, model in graphs.values())
    card = Part("MODEL_CARD.md", FileRole.MODEL_CARD, b"# Bright squares for tests\n")
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        system=System.PHANTOM,
        graphs=tuple(spec for spec, _ in graphs.values()),
        files=tuple(part.entry for part in (*parts, card)),
        preprocessing=Preprocessing(size_hw=(128, 128), fit=Fit.LETTERBOX, resampling=Resampling.AREA),
        decision=DetectionDecision(
            octaves=3,
            point=DetectionPoint(score=POINT_SCORE, precision=1.0, recall=1.0),
            low_score=low_score,
            suppression_iou=0.5,
            smallest_face_px=8.0,
            track_score=0.3,
            birth_score=BIRTH_SCORE,
            calibrated_on="nothing",
        ),
        provenance=Provenance(
            package_version="0", checkpoint_sha256=sha256_of(b"squares"), data="none", outside_data="none"
        ),
        parity=tuple(
            ParitySummary(graph=name, reference="none", steps=1, batches=(1,), max_abs_error=0.0, tolerance=1e-5)
            for name in graphs
        ),
        verification=(),
        latency=(),
        choice=None,
        licence="none",
        intended_use="tests",
    )
    return write_bundle(path, manifest, (*parts, card), force=False)


def _name(side: int) -> str:
    return f"detect{side}"


def _bytes(model: onnx.ModelProto) -> bytes:
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _detect_spec(side: int) -> GraphSpec:
    cells = side // STRIDE_PX
    outputs = ((LOGIT, 1), (BOX, 4), (FEATURES, len(_SUMS)))
    return GraphSpec(
        name=_name(side),
        file=f"graphs/{_name(side)}.float32.onnx",
        precision=Precision.FLOAT32,
        target=None,
        derived_from=None,
        opset=OPSET,
        ir_version=IR_VERSION,
        inputs=(tensor(IMAGE, 3, side, side),),
        outputs=tuple(tensor(name, channels, cells, cells) for name, channels in outputs),
        batch=BatchRange(min=1, max=4, buckets=(1, 2, 4)),
        states=(),
    )


def _track_spec() -> GraphSpec:
    return GraphSpec(
        name="track",
        file="graphs/track.float32.onnx",
        precision=Precision.FLOAT32,
        target=None,
        derived_from=None,
        opset=OPSET,
        ir_version=IR_VERSION,
        inputs=(
            tensor(ROI, len(_SUMS) * ROI_CELLS**2),
            tensor(PATCH, 4, PATCH_PX, PATCH_PX),
            tensor(HIDDEN, _HIDDEN),
        ),
        outputs=(
            tensor(HIDDEN_NEXT, _HIDDEN),
            tensor(BOX_DELTA, 4),
            tensor(SCORE, 1),
            tensor(VELOCITY, 2),
            tensor(BIRTH, 1),
        ),
        batch=BatchRange(min=1, max=8, buckets=(1, 2, 4, 8)),
        states=(state_pair(HIDDEN, _HIDDEN),),
    )


def _kernel() -> NDArray[np.float32]:
    """Weights `(6, 2, 31, 31)` from bright pixels and their light to the sums of a cell's field."""
    reach = np.arange(-_REACH, _REACH + 1, dtype=np.float32)
    y, x = np.meshgrid(reach, reach, indexing="ij")
    nothing, one = np.zeros_like(x), np.ones_like(x)
    ring = (np.maximum(abs(x), abs(y)) == _REACH).astype(np.float32)
    pairs = ((one, nothing), (x, nothing), (y, nothing), (ring, nothing), (nothing, one), (x**2 + y**2, nothing))
    return np.array(pairs, np.float32)


def _detect_model(side: int) -> onnx.ModelProto:
    cells = side // STRIDE_PX
    put = OnnxGraph()
    top = put("ReduceMax", IMAGE, put.whole([1]), keepdims=1)
    bright = put("Clip", put("Mul", put("Sub", top, put.number(1.0)), put.number(4.0)), put.number(0.0), put.number(1))
    both = put("Concat", bright, put("Mul", bright, top), axis=1)
    kernel = put.array(_kernel())
    pads = [_REACH, _REACH, _REACH - 3, _REACH - 3]
    put("Conv", both, kernel, strides=[STRIDE_PX, STRIDE_PX], pads=pads, out=FEATURES)
    count, x, y, ring, light, spread = put.split(FEATURES, len(_SUMS), (f"sum_{name}" for name in _SUMS))
    some = put("Max", count, put.number(1e-3))
    # The field's middle is half a pixel past the first corner of pixel 4 i, the cell's is 2 px past it.
    centre = [put("Div", total, some) for total in (x, y)]
    off = [put("Sub", value, put.number(1.5)) for value in centre]
    size = put("Log", put("Div", put("Sqrt", put("Max", count, put.number(1.0))), put.number(STRIDE_PX)))
    shifts = [put("Div", value, put.number(STRIDE_PX)) for value in off]
    put("Concat", *shifts, size, size, axis=1, out=BOX)
    brightness = put("Mul", put("Sub", put("Div", light, some), put.number(1.42)), put.number(10.0))
    far = put("Max", *(put("Abs", value) for value in off))
    # The mean square distance of a square's pixels from its centre is a sixth of their number; of two squares, more.
    squared = put("Sum", *(put("Mul", value, value) for value in centre))
    variance = put("Sub", put("Div", spread, some), squared)
    scattered = put("Less", put("Add", put("Mul", count, put.number(0.22)), put.number(2.0)), variance)
    costs = (
        put("Mul", put("Cast", scattered, to=TensorProto.FLOAT), put.number(20.0)),
        put("Max", put("Sub", far, put.number(2.5)), put.number(0.0)),
        put("Mul", put("Min", ring, put.number(1.0)), put.number(20.0)),
        put("Mul", put("Cast", put("Less", count, put.number(36.0)), to=TensorProto.FLOAT), put.number(20.0)),
    )
    put("Sub", put("Min", brightness, put.number(4.0)), put("Sum", *costs), out=LOGIT)
    outputs = ((LOGIT, 1), (BOX, 4), (FEATURES, len(_SUMS)))
    return put.model(
        _name(side),
        [(IMAGE, [3, side, side])],
        [(name, [channels, cells, cells]) for name, channels in outputs],
    )


def _track_model(score: float | None, birth: float) -> onnx.ModelProto:
    put = OnnxGraph()
    colours = put("Slice", PATCH, put.whole([0]), put.whole([3]), put.whole([1]))
    top = put("ReduceMax", colours, put.whole([1]), keepdims=0)
    bright = put("Clip", put("Mul", put("Sub", top, put.number(1.0)), put.number(4.0)), put.number(0.0), put.number(1))
    share = put("ReduceMean", put("Flatten", bright, axis=1), put.whole([1]), keepdims=1)
    nothing = put("Mul", put("ReduceMean", ROI, put.whole([1]), keepdims=1), put.number(0.0))
    if score is None:
        scored = put("Clip", put("Mul", share, put.number(2.0)), put.number(0.05), put.number(0.95))
        put("Add", scored, nothing, out=SCORE)
    else:
        put("Add", nothing, put.number(score), out=SCORE)
    put("Add", nothing, put.number(birth), out=BIRTH)
    put("Add", HIDDEN, put.number(1.0), out=HIDDEN_NEXT)
    put("Concat", *[nothing] * 4, axis=1, out=BOX_DELTA)
    put("Concat", *[nothing] * 2, axis=1, out=VELOCITY)
    spec = _track_spec()
    return put.model(
        "track",
        [(value.name, list(value.row_shape)) for value in spec.inputs],
        [(value.name, list(value.row_shape)) for value in spec.outputs],
    )
