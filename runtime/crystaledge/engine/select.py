"""Choice of the backend that runs a graph."""

from __future__ import annotations

from enum import Enum
from typing import Protocol, cast

from crystaledge.bundle import Bundle
from crystaledge.engine.base import Engine
from crystaledge.extras import load
from crystaledge.manifest.model import GraphSpec


class EngineFactory(Protocol):
    """How every backend's engine is made."""

    def __call__(self, graph: GraphSpec, model: bytes, *, threads: int) -> Engine: ...


class Backend(Enum):
    """Backends that this version brings."""

    ONNXRUNTIME = "onnxruntime"


_FACTORIES = {
    Backend.ONNXRUNTIME: ("crystaledge.engine.onnxruntime_engine:OnnxRuntimeEngine", "onnxruntime"),
}


def open_engine(
    bundle: Bundle, graph: GraphSpec, *, backend: Backend = Backend.ONNXRUNTIME, threads: int = 1
) -> Engine:
    """Engine for one graph of a bundle.

    Raises:
        MissingExtraError: the backend's package is not installed.
        ContractError: the file's border is not what the manifest promises.
        EngineError: the backend refuses the file.
    """
    target, extra = _FACTORIES[backend]
    factory = cast(EngineFactory, load(target, extra=extra, purpose=f"Running a graph in {backend.value}"))
    return factory(graph, bundle.graph_bytes(graph), threads=threads)
