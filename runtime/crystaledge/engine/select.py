"""Choice of the backend that runs a graph."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol, cast

from crystaledge.bundle import Bundle
from crystaledge.engine.base import Engine
from crystaledge.engine.trt.cuda import HostMemory
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.extras import load
from crystaledge.manifest.model import GraphSpec


class Backend(Enum):
    """Backends that this version brings."""

    ONNXRUNTIME = "onnxruntime"
    TENSORRT = "tensorrt"
    TENSORRT_RTX = "tensorrt-rtx"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How a graph is run; each backend takes what concerns it."""

    backend: Backend = Backend.ONNXRUNTIME
    threads: int = 1
    """Of a backend that computes on the CPU."""
    engines: Path | None = None
    """Folder with the engines that `build` made; None takes the one beside the bundle."""
    precision: BuiltPrecision | None = None
    """Of a built engine; None takes that of the graph."""
    host_memory: HostMemory | None = None
    """How frames reach a device; None takes what suits the board."""

    @property
    def label(self) -> str:
        """Name under which verifications are on record: an engine built in float16 is an engine of its own."""
        half = self.precision is BuiltPrecision.FLOAT16
        return f"{self.backend.value}-{BuiltPrecision.FLOAT16.value}" if half else self.backend.value


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRequest:
    """What a backend makes an engine from."""

    bundle: Path
    graph: GraphSpec
    model: bytes
    options: EngineOptions


class EngineFactory(Protocol):
    """How every backend's engine is made."""

    def __call__(self, request: EngineRequest) -> Engine: ...


_FACTORIES = {
    Backend.ONNXRUNTIME: ("crystaledge.engine.onnxruntime_engine:open_onnxruntime", "onnxruntime"),
    Backend.TENSORRT: ("crystaledge.engine.trt.open:open_tensorrt", "cuda"),
    Backend.TENSORRT_RTX: ("crystaledge.engine.trt.open:open_tensorrt", "tensorrt-rtx"),
}


def open_engine(bundle: Bundle, graph: GraphSpec, options: EngineOptions | None = None) -> Engine:
    """Engine for one graph of a bundle.

    Raises:
        MissingExtraError: the backend's package is not installed.
        BundleError: the backend needs an engine file that is missing, or was built for something else.
        ContractError: the file's border is not what the manifest promises.
        EngineError: the backend refuses the file, or there is no device.
    """
    chosen = options or EngineOptions()
    target, extra = _FACTORIES[chosen.backend]
    made = load(target, extra=extra, purpose=f"Running a graph in {chosen.backend.value}")
    model = bundle.graph_bytes(graph)
    return cast(EngineFactory, made)(EngineRequest(bundle=bundle.path, graph=graph, model=model, options=chosen))
