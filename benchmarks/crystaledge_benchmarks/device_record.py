"""The record that `bench --backend tensorrt` leaves: engines on one device, with what the board felt meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from crystaledge.board import Board
from crystaledge.engine.trt.cuda import DeviceFacts
from crystaledge.jsonio import Bounds
from crystaledge.manifest.model import Sha256
from crystaledge_benchmarks.bench_record import Standing
from crystaledge_benchmarks.machine import Machine

DEVICE_BENCH_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """One engine, for so many tracks at once, called by our runtime."""

    graph: str
    graph_sha256: Sha256
    engine: str
    """Label of the engine, such as "tensorrt-float16"; "onnxruntime" is the CPU beside the device."""
    tracks: int
    calls: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    jitter_ms: float
    """p99 - p50."""
    enqueue_p50_ms: float | None
    """Host time until a step is in the stream; None on the CPU."""
    compute_p50_ms: float | None
    """Device time of a step with its copies, by CUDA events; None on the CPU or without them."""
    energy_mj: float | None
    """Of one step, by the board's mean power while this engine alone works without pause; None without a sensor."""
    standing: Standing
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardFacts:
    """The board while it was measured. Numbers of one power mode say nothing of another."""

    board: Board
    power_mode: str
    gpu_mhz_before: float | None
    gpu_mhz_after: float | None
    hottest_c: float | None
    throttled: tuple[str, ...]
    """Cooling devices that held something back at any time."""
    mean_power_w: float | None
    """While single-track steps were measured, idle draw included; None without a sensor."""
    rails: tuple[str, ...]
    """What that is the power of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBenchRecord:
    """Everything that one run measured, and where."""

    schema_version: Annotated[int, Bounds(DEVICE_BENCH_VERSION, DEVICE_BENCH_VERSION)]
    machine: Machine
    device: DeviceFacts
    board: BoardFacts
    backend: str
    backend_version: str
    rows: tuple[DeviceRow, ...]
    """Rows of equal `tracks` were measured interleaved."""
    verdict: str
