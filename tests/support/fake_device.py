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
from tests.support.fake_cuda import FakeDriver
from tests.support.fake_tensorrt import Generation, plan_of, runtime_module


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
