"""Which engines of a bundle were built and lie ready."""

from __future__ import annotations

from crystaledge.bundle import Bundle
from crystaledge.engine.select import Backend, EngineOptions
from crystaledge.engine.trt.flavour import Flavour
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.engine.trt.sidecar import engine_folder, engine_path, read_sidecar
from crystaledge.errors import UsageError
from crystaledge.manifest.model import GraphSpec, Precision


def built_engines(
    bundle: Bundle, options: EngineOptions, *, graph: str | None = None
) -> list[tuple[GraphSpec, BuiltPrecision]]:
    """Graph and precision of every engine that lies there for the backend.

    Args:
        options: backend, folder, and precision if only one is meant.
        graph: only those of this graph.

    Raises:
        UsageError: there is none.
    """
    folder, flavour = options.engines or engine_folder(bundle.path), Flavour(options.backend.value)
    graphs = [bundle.graph(graph)] if graph is not None else list(bundle.manifest.graphs)
    wanted = [options.precision] if options.precision is not None else list(BuiltPrecision)
    found = [(g, p) for g in graphs for p in wanted if engine_path(folder, g.name, p, flavour).is_file()]
    if not found:
        msg = f"{folder} holds no engine of {bundle.path} for {flavour.value}; run `crystaledge build` here first."
        raise UsageError(msg)
    return found


def built_sha256(bundle: Bundle, graph: GraphSpec, options: EngineOptions) -> str | None:
    """SHA-256 of the engine file that would run a graph, as its sidecar has it; None without one.

    That the file is what its sidecar says is checked when it is opened.
    """
    if options.backend is Backend.ONNXRUNTIME:
        return None
    flavour, precision = Flavour(options.backend.value), options.precision or built_precision(graph)
    path = engine_path(options.engines or engine_folder(bundle.path), graph.name, precision, flavour)
    return read_sidecar(path).engine_sha256 if path.is_file() else None


def built_precision(graph: GraphSpec) -> BuiltPrecision:
    """The precision that a graph has by itself."""
    return BuiltPrecision.INT8 if graph.precision is Precision.INT8 else BuiltPrecision.FLOAT32
