"""What one step costs in our runtime, beside the bare engine call and torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from crystaledge.bundle import Bundle
from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine, make_session
from crystaledge.manifest.model import GraphSpec
from crystaledge_benchmarks.bench_record import Caller
from crystaledge_benchmarks.latency import Latency, measure_interleaved
from crystaledge_benchmarks.steps import example_rows, stepped
from crystaledge_calibration.rollout import initial_states

MANY = 64
"""Tracks of the batched measurements."""


def runtime_step(bundle: Bundle, graph: GraphSpec, *, tracks: int, threads: int) -> Callable[[], object]:
    """`stepped`, of a graph in ONNX Runtime."""
    return stepped(OnnxRuntimeEngine(graph, bundle.graph_bytes(graph), threads=threads), graph, tracks=tracks)


def call_of(caller: Caller, bundle: Bundle, graph: GraphSpec, *, tracks: int, threads: int) -> Callable[[], object]:
    """One step of so many tracks, as that caller makes it."""
    if caller is Caller.RUNTIME:
        return runtime_step(bundle, graph, tracks=tracks, threads=threads)
    return bare_session(bundle, graph, batch=tracks, threads=threads)


def repeated(call: Callable[[], object]) -> Callable[[], object]:
    """`MANY` calls, one after another."""

    def calls() -> object:
        for _ in range(MANY):
            call()
        return None

    return calls


def bare_session(bundle: Bundle, graph: GraphSpec, *, batch: int, threads: int) -> Callable[[], object]:
    """`InferenceSession.run` of the same file on ready arrays, and nothing else."""
    session = make_session(bundle.graph_bytes(graph), threads=threads)
    feeds = {**example_rows(graph, batch), **initial_states(graph, batch)}
    names = [spec.name for spec in graph.outputs]
    return lambda: session.run(names, feeds)


def measure_steps(
    bundle: Bundle, *, rounds: int, threads: int = 1, more: Mapping[str, Callable[[], object]] | None = None
) -> tuple[Latency, ...]:
    """Single-track steps: our runtime, the bare engine, and what else is given, interleaved."""
    graph = bundle.graph()
    candidates = {
        Caller.RUNTIME.value: runtime_step(bundle, graph, tracks=1, threads=threads),
        Caller.BARE.value: bare_session(bundle, graph, batch=1, threads=threads),
        **(more or {}),
    }
    return measure_interleaved(candidates, rounds=rounds)
