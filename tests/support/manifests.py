"""A small valid manifest, as dataclasses and as JSON values that a test may spoil."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from crystaledge.files import sha256_of
from crystaledge.identity.spec import (
    IdentityDecision,
    LikelihoodFit,
    OperatingPoint,
    StoppingRules,
    unit_vector_scoring,
)
from crystaledge.identity.stopping import wald_thresholds
from crystaledge.jsonio import encode
from crystaledge.manifest.model import (
    SCHEMA_VERSION,
    BatchRange,
    FileEntry,
    FileRole,
    GraphChoice,
    GraphSpec,
    LatencySummary,
    Manifest,
    ParitySummary,
    Precision,
    Provenance,
)
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge.system import System
from crystaledge.tensors import BATCH, DType, ResetRule, StatePair, TensorSpec
from tests.support.step_graphs import HIDDEN, IR_VERSION, OPSET, SIDE, tiny_step_bytes

GRAPH_FILE = "graphs/step.float32.onnx"
CARD_FILE = "MODEL_CARD.md"
CARD = b"# A tiny step for tests\n"
IDLE_LIMIT_FRAMES = 5


def tensor(name: str, *row_shape: int) -> TensorSpec:
    """A float32 tensor with that many values a row."""
    return TensorSpec(name=name, dtype=DType.FLOAT32, shape=(BATCH, *row_shape))


def state_pair(name: str, *shape: int, initial: float = 0.0, idle_limit_frames: int = IDLE_LIMIT_FRAMES) -> StatePair:
    """The pair `name`, `name_next`."""
    return StatePair(
        input=name,
        output=f"{name}_next",
        shape=shape,
        dtype=DType.FLOAT32,
        initial=initial,
        reset=ResetRule.NEW_TRACK,
        idle_limit_frames=idle_limit_frames,
    )


def tiny_graph_spec() -> GraphSpec:
    """The border of `tests.support.step_graphs.tiny_step_model`."""
    return GraphSpec(
        name="step",
        file=GRAPH_FILE,
        precision=Precision.FLOAT32,
        target=None,
        derived_from=None,
        opset=OPSET,
        ir_version=IR_VERSION,
        inputs=(tensor("face", 3, SIDE, SIDE), tensor("hidden", HIDDEN)),
        outputs=(tensor("hidden_next", HIDDEN), tensor("velocity", 1), tensor("log_variance", 1), tensor("quality", 1)),
        batch=BatchRange(min=1, max=4, buckets=(1, 2, 4)),
        states=(state_pair("hidden", HIDDEN),),
    )


def small_decision(dimensions: int) -> IdentityDecision:
    """Decision parameters with two operating points at two numbers of observations; calibrated on nobody."""
    reject, accept = wald_thresholds(0.01, 0.05)
    points = ((1, 0.01, 0.9, 0.5), (1, 0.1, 0.4, 0.8), (4, 0.01, 0.7, 0.7), (4, 0.1, 0.2, 0.9))
    return IdentityDecision(
        score=unit_vector_scoring(dimensions),
        dimensions=dimensions,
        operating_points=tuple(
            OperatingPoint(observations=seen, false_accept_rate=rate, threshold=threshold, true_accept_rate=accepted)
            for seen, rate, threshold, accepted in points
        ),
        likelihood=(
            LikelihoodFit(observations=1, slope=2.0, intercept=-1.0),
            LikelihoodFit(observations=4, slope=5.0, intercept=-2.0),
        ),
        stopping=StoppingRules(
            false_accept_rate=0.01,
            false_reject_rate=0.05,
            accept_llr=accept,
            reject_llr=reject,
            velocity_threshold=0.1,
            velocity_frames=2,
        ),
        calibrated_on="nobody",
    )


def tiny_manifest() -> Manifest:
    """Everything a manifest can hold at least once, true of the tiny step graph."""
    return Manifest(
        schema_version=SCHEMA_VERSION,
        system=System.MNEMOSYNE,
        graphs=(tiny_graph_spec(),),
        files=(
            FileEntry(path=GRAPH_FILE, sha256=sha256_of(tiny_step_bytes()), role=FileRole.GRAPH),
            FileEntry(path=CARD_FILE, sha256=sha256_of(CARD), role=FileRole.MODEL_CARD),
        ),
        preprocessing=Preprocessing(size_hw=(SIDE, SIDE)),
        decision=small_decision(HIDDEN),
        provenance=Provenance(
            package_version="0", checkpoint_sha256=sha256_of(b"no checkpoint"), data="none", outside_data="none"
        ),
        parity=(
            ParitySummary(
                graph="step", reference="numpy", steps=16, batches=(1, 2), max_abs_error=1e-7, tolerance=1e-5
            ),
        ),
        verification=(),
        latency=(
            LatencySummary(
                graph="step",
                device="none",
                engine="none",
                batch=1,
                threads=1,
                p50_ms=0.1,
                p90_ms=0.2,
                p99_ms=0.3,
            ),
        ),
        choice=GraphChoice(graph="step", engine="none", reason="the only one"),
        licence="none",
        intended_use="tests",
    )


def tiny_manifest_json() -> dict[str, Any]:
    """The same manifest as JSON values, fresh at every call."""
    values: dict[str, Any] = encode(tiny_manifest())
    return values


def changed(values: dict[str, Any], place: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """A copy of JSON values with one place set to another value."""
    spoiled: Any = deepcopy(values)
    inner = spoiled
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    result: dict[str, Any] = spoiled
    return result


def without(values: dict[str, Any], place: tuple[str | int, ...]) -> dict[str, Any]:
    """A copy of JSON values that lacks one place."""
    spoiled: Any = deepcopy(values)
    inner = spoiled
    for step in place[:-1]:
        inner = inner[step]
    del inner[place[-1]]
    result: dict[str, Any] = spoiled
    return result
