"""A bundle with its engine beside it, on a machine that has a fake device and a fake TensorRT."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from crystaledge.bundle import Bundle
from crystaledge.engine.select import Backend, EngineOptions
from crystaledge.engine.trt.built import built_precision
from crystaledge.engine.trt.cuda_python import CudaPython
from crystaledge.engine.trt.flavour import Flavour
from crystaledge.engine.trt.open import fingerprint_of
from crystaledge.engine.trt.sidecar import SIDECAR_VERSION, Sidecar, engine_folder, engine_path, sidecar_text
from crystaledge.engine.trt.sidecar import sidecar_path as sidecar_of
from crystaledge.files import sha256_of
from tests.support.bundles import write_tiny_bundle
from tests.support.fake_cuda import FakeDriver
from tests.support.fake_device import plug_in
from tests.support.fake_tensorrt import Generation, plan_of


@dataclass(frozen=True)
class Installed:
    """What is where."""

    bundle: Bundle
    driver: FakeDriver
    engine: Path
    options: EngineOptions

    @property
    def sidecar(self) -> Path:
        """The engine's JSON file."""
        return sidecar_of(self.engine)


def install(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    generation: Generation = Generation.V10_3,
    driver: FakeDriver | None = None,
    built: dict[str, Any] | None = None,
) -> Installed:
    """Write a tiny bundle and an engine for it, and put the fakes where the package looks for the real ones.

    Args:
        built: what was otherwise when the engine was built, by name in the fingerprint.
    """
    rtx = generation is Generation.RTX_1_7
    flavour = Flavour.TENSORRT_RTX if rtx else Flavour.TENSORRT
    device = plug_in(monkeypatch, generation=generation, driver=driver)
    bundle = write_tiny_bundle(folder / "tiny.bundle")
    graph, model = bundle.graph(), bundle.graph_bytes(bundle.graph())
    fingerprint = fingerprint_of(
        graph,
        model,
        precision=built_precision(graph),
        flavour=flavour,
        version=generation.value,
        device=None if rtx else CudaPython(driver=FakeDriver()).facts(),
        flags=("STRONGLY_TYPED",),
    )
    path = engine_path(engine_folder(bundle.path), graph.name, built_precision(graph), flavour)
    path.parent.mkdir()
    plan = plan_of(model, graph.batch.buckets, generation)
    path.write_bytes(plan)
    sidecar = Sidecar(
        schema_version=SIDECAR_VERSION,
        package_version="0",
        engine_sha256=sha256_of(plan),
        engine_bytes=len(plan),
        build_seconds=1.5,
        fingerprint=replace(fingerprint, **(built or {})),
    )
    sidecar_of(path).write_text(sidecar_text(sidecar), encoding="utf-8")
    return Installed(bundle, device, path, EngineOptions(backend=Backend(flavour.value)))
