"""An identity's bundle that knows people by the colour of their square; one observation suffices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, write_bundle
from crystaledge.files import sha256_of
from crystaledge.identity.spec import COSINE, IdentityDecision, LikelihoodFit, OperatingPoint
from crystaledge.manifest.model import FileRole
from tests.runtime.video.onnx_graph import OnnxGraph
from tests.support.manifests import CARD, CARD_FILE, GRAPH_FILE, small_decision, tiny_manifest
from tests.support.step_graphs import HIDDEN, SIDE

RED, GREEN, BLUE, WHITE = (255, 30, 60), (127, 255, 127), (60, 30, 255), (255, 255, 255)
"""All differ from grey in green and in brightness too, which is what the motion gate and the held image look at."""
SLOPE, INTERCEPT = 20.0, -14.0
"""Equal colours give a log-likelihood ratio of 6, others -14; Wald's thresholds are 4.6 and -3."""


def colour_decision(*, intercept: float = INTERCEPT) -> IdentityDecision:
    """Decision parameters for colours."""
    point = OperatingPoint(observations=1, false_accept_rate=0.01, threshold=0.9, true_accept_rate=1.0)
    fit = LikelihoodFit(observations=1, slope=SLOPE, intercept=intercept)
    return replace(small_decision(HIDDEN), score=COSINE, operating_points=(point,), likelihood=(fit,))


def write_colours(path: Path, *, intercept: float = INTERCEPT, checkpoint: bytes = b"colours") -> Bundle:
    """The bundle; another checkpoint makes another model."""
    data: bytes = _model().SerializeToString(deterministic=True)
    parts = (Part(GRAPH_FILE, FileRole.GRAPH, data), Part(CARD_FILE, FileRole.MODEL_CARD, CARD))
    manifest = replace(
        tiny_manifest(), files=tuple(part.entry for part in parts), decision=colour_decision(intercept=intercept)
    )
    provenance = replace(manifest.provenance, checkpoint_sha256=sha256_of(checkpoint))
    return write_bundle(path, replace(manifest, provenance=provenance), parts, force=False)


def _model() -> onnx.ModelProto:
    put = OnnxGraph()
    pooled = put("ReduceMean", "face", put.whole([2, 3]), keepdims=0)
    padded = put("Concat", pooled, put("Mul", pooled, put.number(0.0)), axis=1)
    put("Mul", put("Add", "hidden", padded), put.number(0.5), out="hidden_next")
    zero = put("ReduceMean", put("Mul", pooled, put.number(0.0)), put.whole([1]), keepdims=1)
    put("Add", zero, put.number(0.5), out="velocity")
    put("Identity", zero, out="log_variance")
    put("Add", zero, put.number(0.8), out="quality")
    return put.model(
        "step",
        [("face", [3, SIDE, SIDE]), ("hidden", [HIDDEN])],
        [("hidden_next", [HIDDEN]), ("velocity", [1]), ("log_variance", [1]), ("quality", [1])],
    )
