"""Measures every graph of a bundle in turn, chooses one, and writes both down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import onnxruntime as ort

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, update_bundle
from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine
from crystaledge.files import sha256_of
from crystaledge.jsonio import dumps
from crystaledge.manifest.model import FileRole, GraphSpec, LatencySummary, Precision, Target
from crystaledge_benchmarks.bench_record import BENCH_PATH, BENCH_VERSION, BenchRecord, BenchRow, Caller, Parity
from crystaledge_benchmarks.choose import Chosen, Contestant, choose, compare
from crystaledge_benchmarks.commands.bench import FEWEST_ROUNDS
from crystaledge_benchmarks.latency import Latency, measure_interleaved
from crystaledge_benchmarks.machine import describe_machine
from crystaledge_benchmarks.memory_probe import peak_memory
from crystaledge_benchmarks.missing_facts import refuse_missing_facts
from crystaledge_benchmarks.parity import parity_of
from crystaledge_benchmarks.step_bench import call_of

_BATCHED_SHARE = 5
"""A step of many tracks is long; it gets one round for so many of a single track."""
_NO_FLOAT16 = "float16: not run: ONNX Runtime's CPU provider has no float16 kernels"
_NO_INT8 = "int8: not run: the bundle has no INT8 graph; `crystaledge quantize` makes one"
_NO_TENSORRT = (
    "TensorRT: not run: this is the CPU, where graphs for it were measured in ONNX Runtime; "
    "on a device: crystaledge bench --backend tensorrt"
)


@dataclass(frozen=True, slots=True)
class _Key:
    """What one row measures."""

    graph: str
    caller: Caller
    tracks: int


def measure_bundle(
    bundle: Bundle, *, rounds: int, threads: int, say: Callable[[str], None] = lambda line: None
) -> BenchRecord:
    """Measure every graph of a bundle and choose.

    Args:
        rounds: timed calls of each single-track row; a fifth for the largest bucket, 100 at least.
        threads: of the engine.
        say: told what is being done.

    Raises:
        IncompleteRecordError: a fact cannot be had on this machine.
        BundleError: a verification record cannot be read.
        EngineError: the engine refuses or fails a graph.
    """
    measured = _measure_all(bundle, rounds, threads, say)
    graphs = bundle.manifest.graphs
    parity = {graph.name: parity_of(bundle, graph, engine=OnnxRuntimeEngine.name) for graph in graphs}
    contestants = {graph.name: _contestant(graph, parity[graph.name], measured) for graph in graphs}
    chosen = _choose(bundle, contestants)
    say("measuring peak memory, each row in a process of its own")
    record = BenchRecord(
        schema_version=BENCH_VERSION,
        machine=describe_machine(),
        engine=OnnxRuntimeEngine.name,
        engine_version=ort.__version__,
        threads=threads,
        rows=tuple(_row(bundle, key, latency, parity[key.graph], threads) for key, latency in measured.items()),
        comparisons=tuple(
            compare(contestants[g.name], contestants[g.derived_from]) for g in graphs if g.derived_from is not None
        ),
        not_run=_not_run(graphs),
        choice=chosen.choice,
        verdict=chosen.verdict,
    )
    refuse_missing_facts(record, where="The measurement")
    return record


def keep_record(bundle: Bundle, record: BenchRecord) -> Bundle:
    """Write the record, the latency of each graph and the choice into the bundle.

    Raises:
        IncompleteRecordError: a fact is missing; nothing has changed.
    """
    refuse_missing_facts(record, where="The bench record")
    manifest = replace(bundle.manifest, latency=tuple(_summaries(record)), choice=record.choice)
    return update_bundle(bundle, manifest, (Part(BENCH_PATH, FileRole.BENCHMARK, dumps(record).encode()),))


def _measure_all(bundle: Bundle, rounds: int, threads: int, say: Callable[[str], None]) -> dict[_Key, Latency]:
    """Single-track rows in one run, rows of each graph's largest bucket in another."""
    graphs = bundle.manifest.graphs
    single = [_Key(graph.name, caller, 1) for graph in graphs for caller in Caller]
    many = [_Key(g.name, caller, g.batch.max) for g in graphs if g.batch.max > 1 for caller in Caller]
    fewer = max(rounds // _BATCHED_SHARE, FEWEST_ROUNDS)
    return _measure(bundle, single, rounds, threads, say) | _measure(bundle, many, fewer, threads, say)


def _measure(
    bundle: Bundle, keys: list[_Key], rounds: int, threads: int, say: Callable[[str], None]
) -> dict[_Key, Latency]:
    if not keys:
        return {}
    say(f"measuring {len(keys)} rows in turn; tracks: {keys[0].tracks}, rounds: {rounds}, threads: {threads}")
    calls = {
        f"{key.graph}, {key.caller.value}": call_of(
            key.caller, bundle, bundle.graph(key.graph), tracks=key.tracks, threads=threads
        )
        for key in keys
    }
    return dict(zip(keys, measure_interleaved(calls, rounds=rounds), strict=True))


def _contestant(graph: GraphSpec, parity: Parity, measured: Mapping[_Key, Latency]) -> Contestant:
    samples = measured[_Key(graph.name, Caller.RUNTIME, 1)].samples_ms
    return Contestant(graph=graph.name, precision=graph.precision, parity=parity, samples_ms=samples)


def _choose(bundle: Bundle, contestants: Mapping[str, Contestant]) -> Chosen:
    """Between the first graph and what was made from it: graphs of another origin do another job."""
    first = bundle.graph()
    original = first.derived_from or first.name
    quantized = [contestants[g.name] for g in bundle.manifest.graphs if g.derived_from == original]
    return choose(contestants[original], quantized, engine=OnnxRuntimeEngine.name)


def _row(bundle: Bundle, key: _Key, latency: Latency, parity: Parity, threads: int) -> BenchRow:
    graph = bundle.graph(key.graph)
    data = bundle.graph_bytes(graph)
    return BenchRow(
        graph=graph.name,
        graph_sha256=sha256_of(data),
        precision=graph.precision,
        target=graph.target,
        caller=key.caller,
        tracks=key.tracks,
        calls=latency.calls,
        p50_ms=latency.p50_ms,
        p90_ms=latency.p90_ms,
        p99_ms=latency.p99_ms,
        max_ms=latency.max_ms,
        file_bytes=len(data),
        peak_memory_kb=peak_memory(bundle.path, graph.name, key.caller, tracks=key.tracks, threads=threads),
        parity=parity,
    )


def _not_run(graphs: Iterable[GraphSpec]) -> tuple[str, ...]:
    seen = list(graphs)
    lines = [_NO_FLOAT16]
    if all(graph.precision is Precision.FLOAT32 for graph in seen):
        lines.append(_NO_INT8)
    if any(graph.target is Target.TENSORRT for graph in seen):
        lines.append(_NO_TENSORRT)
    return tuple(lines)


def _summaries(record: BenchRecord) -> Iterable[LatencySummary]:
    for row in record.rows:
        if row.caller is Caller.RUNTIME and row.tracks == 1:
            yield LatencySummary(
                graph=row.graph,
                device=record.machine.cpu,
                engine=record.engine,
                batch=1,
                threads=record.threads,
                p50_ms=row.p50_ms,
                p90_ms=row.p90_ms,
                p99_ms=row.p99_ms,
            )
