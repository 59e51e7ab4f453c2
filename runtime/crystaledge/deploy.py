"""Which graph of a bundle is fit to run: one that was proven to be the model, in this engine, with these bytes."""

from __future__ import annotations

from collections.abc import Callable

from crystaledge.bundle import Bundle
from crystaledge.errors import BundleError
from crystaledge.files import sha256_of
from crystaledge.manifest.model import GraphSpec, Precision

REFERENCE_ENGINE = "onnxruntime"
"""What an exported graph was compared with its training framework in; elsewhere it is as unproven as any."""


Built = Callable[[GraphSpec], str | None]
"""SHA-256 of the engine file that was built from a graph; None where the graph's file itself is run."""


def graph_to_run(
    bundle: Bundle,
    name: str | None,
    *,
    engine: str,
    built: Built = lambda graph: None,
    unverified: bool = False,
) -> GraphSpec:
    """The named graph, or the one that `bench` chose for this engine, or the first one in float32.

    Args:
        built: which engine file would run a graph.
        unverified: run it even if nothing proves it; for experiments, never for deployment.

    Raises:
        BundleError: there is no such graph, or its record of verification is missing, failed, or of
            other bytes or another engine.
    """
    graph = bundle.graph(name) if name is not None else _chosen(bundle, engine)
    if unverified:
        return graph
    complaint = why_not(bundle, graph, engine=engine, engine_sha256=built(graph))
    if complaint is not None:
        msg = f"{bundle.path}: the graph {graph.name!r} is not to be run in {engine}: {complaint}"
        raise BundleError(msg)
    return graph


def why_not(bundle: Bundle, graph: GraphSpec, *, engine: str, engine_sha256: str | None = None) -> str | None:
    """What speaks against running a graph; None where it was proven, in these bytes and in this engine file."""
    if graph.precision is Precision.FLOAT32 and engine == REFERENCE_ENGINE:
        return _float_complaint(bundle, graph)
    summary = next(
        (v for v in bundle.manifest.verification if v.graph == graph.name and v.engine == engine),
        None,
    )
    if summary is None:
        return f"no verification is on record. {_verify(engine)}, or give --unverified."
    if summary.graph_sha256 != sha256_of(bundle.graph_bytes(graph)):
        return f"its verification is of other bytes. {_verify(engine)} again, or give --unverified."
    if summary.engine_sha256 != engine_sha256:
        return f"its verification is of another engine file. {_verify(engine)} again, or give --unverified."
    return None if summary.passed else f"{summary.sentence} Quantize it again, or give --unverified."


def _verify(engine: str) -> str:
    backend = "" if engine == REFERENCE_ENGINE else f" --backend {engine}"
    return f"Run `crystaledge verify{backend}`"


def _float_complaint(bundle: Bundle, graph: GraphSpec) -> str | None:
    for parity in bundle.manifest.parity:
        if parity.graph == graph.name:
            within = parity.max_abs_error <= parity.tolerance
            return None if within else "it differs from its training framework. Export it again, or give --unverified."
    return "its parity with its training framework is not on record. Export it again, or give --unverified."


def _chosen(bundle: Bundle, engine: str) -> GraphSpec:
    choice = bundle.manifest.choice
    if choice is not None and choice.engine == engine:
        return bundle.graph(choice.graph)
    floats = [graph for graph in bundle.manifest.graphs if graph.precision is Precision.FLOAT32]
    return floats[0] if floats else bundle.graph()
