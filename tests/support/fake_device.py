"""A machine with a fake device: TensorRT and CUDA as the runtime looks for them, and engines as `build` leaves them."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystaledge.bundle import Bundle
from crystaledge.engine.trt import open as opening
from crystaledge.engine.trt.cuda_python import CudaPython
from crystaledge.engine.trt.flavour import Flavour
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.engine.trt.sidecar import (
    SIDECAR_VERSION,
    Sidecar,
    engine_folder,
    engine_path,
    sidecar_path,
    sidecar_text,
)
from crystaledge.files import sha256_of
from crystaledge.manifest.model import GraphSpec
from tests.support.fake_cuda import Code, FakeDriver, Stream, rule
from tests.support.fake_tensorrt import Generation, plan_of, runtime_module


class TimedDriver(FakeDriver):
    """A fake device with events; its clock goes one millisecond an event."""

    def __init__(self) -> None:
        super().__init__()
        self.events: dict[int, float | None] = {}
        self._clock_ms = 0.0

    def cuEventCreate(self, flags: int) -> tuple[Code, int]:
        self.events[len(self.events) + 1] = None
        return Code.CUDA_SUCCESS, len(self.events)

    def cuEventRecord(self, event: int, stream: Stream) -> tuple[Code]:
        def mark() -> None:
            self._clock_ms += 1.0
            self.events[event] = self._clock_ms

        stream.put(mark)
        return (Code.CUDA_SUCCESS,)

    def cuEventElapsedTime(self, start: int, end: int) -> tuple[Code, float]:
        first, last = self.events[start], self.events[end]
        rule(first is not None and last is not None, "an event's time is asked for before its stream was synchronised")
        assert first is not None and last is not None
        return Code.CUDA_SUCCESS, last - first

    def cuEventDestroy(self, event: int) -> tuple[Code]:
        return (Code.CUDA_SUCCESS,)


def plug_in(
    monkeypatch: pytest.MonkeyPatch, *, generation: Generation = Generation.V10_3, driver: FakeDriver | None = None
) -> FakeDriver:
    """Let the runtime find a TensorRT and a device."""
    device = driver or FakeDriver()
    monkeypatch.setattr(opening, "load_module", lambda flavour: runtime_module(generation, device))
    monkeypatch.setattr(opening, "open_cuda", lambda: CudaPython(driver=device))
    return device


def put_engine(
    bundle: Bundle,
    graph: GraphSpec,
    device: FakeDriver,
    *,
    precision: BuiltPrecision = BuiltPrecision.FLOAT32,
    generation: Generation = Generation.V10_3,
    model: bytes | None = None,
) -> Path:
    """An engine beside a bundle, built on that device.

    Args:
        model: what the engine computes; None for the bundle's own file.
    """
    data = bundle.graph_bytes(graph)
    plan = plan_of(model or data, graph.batch.buckets, generation)
    path = engine_path(engine_folder(bundle.path), graph.name, precision, Flavour.TENSORRT)
    cuda = CudaPython(driver=device)
    facts = cuda.facts()
    cuda.close()
    fingerprint = opening.fingerprint_of(
        graph,
        data,
        precision=precision,
        flavour=Flavour.TENSORRT,
        version=generation.value,
        device=facts,
        flags=("STRONGLY_TYPED",),
    )
    sidecar = Sidecar(
        schema_version=SIDECAR_VERSION,
        package_version="0.1.0",
        engine_sha256=sha256_of(plan),
        engine_bytes=len(plan),
        build_seconds=1.0,
        fingerprint=fingerprint,
    )
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(plan)
    sidecar_path(path).write_text(sidecar_text(sidecar))
    return path
