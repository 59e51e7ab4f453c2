"""The manifest: everything that a bundle promises, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from crystaledge.anomaly.spec import AnomalyDecision
from crystaledge.detection.spec import DetectionDecision
from crystaledge.errors import ContractError
from crystaledge.identity.spec import IdentityDecision
from crystaledge.jsonio import Bounds, Pattern
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge.system import System
from crystaledge.tensors import StatePair, TensorSpec

SCHEMA_VERSION = 2
MANIFEST_NAME = "manifest.json"

Sha256 = Annotated[str, Pattern(r"[0-9a-f]{64}", "64 lower-case hexadecimal digits")]
RelativePath = Annotated[
    str,
    Pattern(
        r"(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*/)*[A-Za-z0-9_-][A-Za-z0-9_.-]*",
        "a path inside the bundle, of letters, digits, '_', '-', '.' and '/'",
    ),
]
Version = Annotated[int, Bounds(SCHEMA_VERSION, SCHEMA_VERSION)]


class Precision(Enum):
    """Arithmetic of a graph's heavy operators; its borders are float32 always."""

    FLOAT32 = "float32"
    INT8 = "int8"


class Target(Enum):
    """What a quantized graph was laid out for; graphs in float32 run everywhere."""

    TENSORRT = "tensorrt"
    """Explicit Q/DQ as every TensorRT from JetPack 6 on reads it."""
    CPU = "cpu"
    """What ONNX Runtime's CPU kernels fuse."""


class FileRole(Enum):
    """What a file of the bundle is."""

    GRAPH = "graph"
    GOLDEN = "golden"
    MODEL_CARD = "model_card"
    MEMORY = "memory"
    """What the host knows of normality beside the graph: the bank of patches, exactly."""
    TRAINED = "trained"
    """Weights and ranges that quantization-aware training left; `quantize` builds its graph from them."""
    CALIBRATION = "calibration"
    """How a quantized graph was made: the calibration set by hash, ranges, what stayed float and why."""
    VERIFICATION = "verification"
    """Closed-loop comparison of a graph with its float original."""
    SELF_TEST = "self_test"
    """Golden sequences replayed in an engine on a device."""
    DEVICE_BENCHMARK = "device_benchmark"
    """Latency of every engine on a device, with what the board felt meanwhile."""
    BENCHMARK = "benchmark"
    """Latency of every graph, measured in turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of the bundle and its fingerprint."""

    path: RelativePath
    sha256: Sha256
    role: FileRole


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRange:
    """Batch sizes that were checked against torch, and the buckets the runtime pads to."""

    min: Annotated[int, Bounds(1)]
    max: Annotated[int, Bounds(1)]
    buckets: tuple[Annotated[int, Bounds(1)], ...]
    """Rising; the last is `max`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSpec:
    """One ONNX file: what goes in, what comes out, which tensors are state."""

    name: str
    file: RelativePath
    precision: Precision
    target: Target | None
    """Of a quantized graph; None for float32."""
    derived_from: str | None
    """Name of the float32 graph that this one was quantized from; None for an exported graph."""
    opset: Annotated[int, Bounds(1)]
    ir_version: Annotated[int, Bounds(1)]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batch: BatchRange
    states: tuple[StatePair, ...]

    def input(self, name: str) -> TensorSpec:
        """The input of that name."""
        return next(spec for spec in self.inputs if spec.name == name)

    def output(self, name: str) -> TensorSpec:
        """The output of that name."""
        return next(spec for spec in self.outputs if spec.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where the bundle comes from."""

    package_version: str
    checkpoint_sha256: Sha256
    data: str
    outside_data: str
    """Data beyond `data` that shaped the weights, directly or through a teacher; "none" otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParitySummary:
    """Closed-loop agreement of an exported graph with its training framework, seen at export."""

    graph: str
    reference: str
    steps: Annotated[int, Bounds(1)]
    batches: tuple[Annotated[int, Bounds(1)], ...]
    max_abs_error: Annotated[float, Bounds(0.0)]
    """Of any tensor, over the largest magnitude of that tensor where it is above 1."""
    tolerance: Annotated[float, Bounds(0.0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationSummary:
    """What the closed-loop gate said of a graph; it holds for exactly these bytes in exactly this engine."""

    graph: str
    graph_sha256: Sha256
    engine: str
    engine_sha256: Sha256 | None
    """Of the engine file that was built from the graph; None where the engine runs the graph's file itself."""
    horizon: Annotated[int, Bounds(1)]
    """Steps of each closed-loop sequence."""
    sequences: Annotated[int, Bounds(1)]
    passed: bool
    sentence: str
    """The verdict in words; where it failed, the first step, tensor and layer at fault."""
    record: RelativePath


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphChoice:
    """Which graph `run` takes when none is named, and why."""

    graph: str
    engine: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySummary:
    """Median and tail of one step, and where it was measured."""

    graph: str
    device: str
    engine: str
    batch: Annotated[int, Bounds(1)]
    threads: Annotated[int, Bounds(1)]
    p50_ms: Annotated[float, Bounds(0.0)]
    p90_ms: Annotated[float, Bounds(0.0)]
    p99_ms: Annotated[float, Bounds(0.0)]


Decision = IdentityDecision | DetectionDecision | AnomalyDecision
"""What turns a system's outputs into verdicts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """manifest.json, schema version 2. The JSON Schema beside this file is derived from this class."""

    schema_version: Version
    system: System
    graphs: tuple[GraphSpec, ...]
    files: tuple[FileEntry, ...]
    preprocessing: Preprocessing
    decision: Decision
    provenance: Provenance
    parity: tuple[ParitySummary, ...]
    verification: tuple[VerificationSummary, ...]
    latency: tuple[LatencySummary, ...]
    choice: GraphChoice | None
    licence: str
    intended_use: str


def identity_decision(decision: Decision | None, *, where: str) -> IdentityDecision:
    """The decision parameters of a system that tells people apart.

    Raises:
        ContractError: `where` has those of another kind, or none.
    """
    if not isinstance(decision, IdentityDecision):
        msg = f"{where} decides about no identities; expected a bundle or checkpoint of such a system."
        raise ContractError(msg)
    return decision


def detection_decision(decision: Decision | None, *, where: str) -> DetectionDecision:
    """The decision parameters of a system that finds objects.

    Raises:
        ContractError: `where` has those of another kind, or none.
    """
    if not isinstance(decision, DetectionDecision):
        msg = f"{where} decides about no detections; expected a bundle or checkpoint of a detector."
        raise ContractError(msg)
    return decision


def anomaly_decision(decision: Decision | None, *, where: str) -> AnomalyDecision:
    """The decision parameters of a system that finds anomalies.

    Raises:
        ContractError: `where` has those of another kind, or none.
    """
    if not isinstance(decision, AnomalyDecision):
        msg = f"{where} decides about no anomalies; expected a bundle or checkpoint of such a system."
        raise ContractError(msg)
    return decision
