"""The record that `bench` leaves in a bundle: every number beside the facts that give it meaning."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from crystaledge.jsonio import Bounds
from crystaledge.manifest.model import GraphChoice, Precision, Sha256, Target
from crystaledge_benchmarks.machine import Machine

BENCH_VERSION = 1
BENCH_PATH = "records/bench.json"
Version = Annotated[int, Bounds(BENCH_VERSION, BENCH_VERSION)]


class Caller(Enum):
    """Who calls the engine; the difference between both is our own overhead."""

    RUNTIME = "crystaledge step"
    BARE = "bare InferenceSession.run"


class Standing(Enum):
    """What is known of a graph's fitness to run."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_VERIFIED = "not verified"


def precision_label(precision: Precision) -> str:
    """As people write it: "float32", "INT8"."""
    name: str = precision.value
    return name if precision is Precision.FLOAT32 else name.upper()


class Speed(Enum):
    """A graph against its float32 original, by paired rounds of one run."""

    FASTER = "faster"
    SLOWER = "slower"
    WITHIN_NOISE = "within the noise of this run"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameworkParity:
    """Agreement of a float32 graph with the framework it was trained in, seen at export."""

    reference: str
    steps: int
    max_abs_error: float
    tolerance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLoopParity:
    """Agreement of a quantized graph with its float32 original, seen by `verify`."""

    horizon: int
    sequences: int
    cosine_mean: float
    """Of the state, at the worst checked step."""
    cosine_p01: float
    """First percentile over sequences, at the worst checked step."""
    max_abs_error: float
    """Largest of any output at any checked step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageParity:
    """Agreement of a quantized graph that reads images with its float32 original, seen by `verify`."""

    images: int
    map_error: float
    """Relative error of the output that is furthest off."""
    max_abs_error: float
    """Largest of any output on any image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Whether a graph may be chosen, and the numbers behind that; one of the three kinds, or none."""

    standing: Standing
    says: str
    """In words."""
    framework: FrameworkParity | None = None
    closed_loop: ClosedLoopParity | None = None
    images: ImageParity | None = None

    @property
    def verified(self) -> ClosedLoopParity | ImageParity | None:
        """What `verify` saw; None where it did not look."""
        return self.closed_loop or self.images

    @property
    def max_abs_error(self) -> float | None:
        """Largest absolute difference of any output from what the graph was made from; None where nobody looked."""
        known = self.framework or self.verified
        return None if known is None else known.max_abs_error


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRow:
    """One graph, called by one caller, for so many tracks at once."""

    graph: str
    graph_sha256: Sha256
    precision: Precision
    target: Target | None
    caller: Caller
    tracks: int
    calls: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    file_bytes: int
    peak_memory_kb: int | str
    """High-water mark of a fresh process that opens the bundle and makes these calls only; or "not readable"."""
    parity: Parity


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Single-track step of a quantized graph against its float32 original, by rounds of the same run."""

    graph: str
    against: str
    speed: Speed
    p50_ratio: float
    """Median of the graph over that of its original; above 1 is slower."""
    difference_ms: float
    """Median over rounds of (graph - original); below 0 is faster."""
    low_ms: float
    high_ms: float
    """99 % interval of that median."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRecord:
    """Everything that one run of `bench` measured, and where."""

    schema_version: Version
    machine: Machine
    engine: str
    engine_version: str
    threads: int
    rows: tuple[BenchRow, ...]
    """Rows of equal `tracks` were measured interleaved."""
    comparisons: tuple[Comparison, ...]
    not_run: tuple[str, ...]
    """What a reader may miss, and why it is not here."""
    choice: GraphChoice | None
    """None where no graph passes."""
    verdict: str
    """The choice in words, or why there is none."""
