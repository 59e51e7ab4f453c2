"""Measures every engine of a bundle that was built on this device, in turn, beside the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from time import monotonic

import numpy as np

from crystaledge.board import read_board
from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, update_bundle
from crystaledge.deploy import why_not
from crystaledge.engine.base import Engine
from crystaledge.engine.select import Backend, EngineOptions, open_engine
from crystaledge.engine.trt.built import built_engines, built_sha256
from crystaledge.engine.trt.engine import TensorRtEngine
from crystaledge.errors import MissingExtraError
from crystaledge.files import sha256_of
from crystaledge.jsonio import dumps
from crystaledge.manifest.model import FileRole, GraphSpec
from crystaledge.power_mode import power_mode
from crystaledge.sensors import Samples, read_sensors, sampled
from crystaledge_benchmarks.bench_record import Standing
from crystaledge_benchmarks.device_record import (
    DEVICE_BENCH_VERSION,
    BoardFacts,
    DeviceBenchRecord,
    DeviceRow,
)
from crystaledge_benchmarks.latency import Latency, measure_interleaved
from crystaledge_benchmarks.machine import describe_machine
from crystaledge_benchmarks.steps import stepped

_TIMED_STEPS = 100
"""Steps whose enqueue and device time are looked at apart, after the interleaved run."""
_BATCHED_SHARE = 5
_ENERGY_S = 2.0
"""How long an engine works for its energy to be seen."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One engine that takes part."""

    label: str
    graph: GraphSpec
    engine: Engine
    engine_sha256: str | None
    """Of its file; None on the CPU."""


def measure_engines(
    bundle: Bundle, options: EngineOptions, *, rounds: int, say: Callable[[str], None] = lambda line: None
) -> DeviceBenchRecord:
    """Measure the engines of a backend that lie there, and the float32 graph on the CPU beside them.

    Raises:
        UsageError: none was built.
        EngineError: an engine fails.
    """
    with ExitStack() as closing:
        contenders = list(_contenders(bundle, options, closing, say))
        first = contenders[0].engine
        assert isinstance(first, TensorRtEngine)
        device, version = first.device, first.version
        most = min(c.graph.batch.max for c in contenders)
        with sampled() as samples:
            single = _measure(contenders, tracks=1, rounds=rounds, say=say)
        many = _measure(contenders, tracks=most, rounds=max(rounds // _BATCHED_SHARE, 100), say=say)
        rows = [
            _row(bundle, contender, tracks, latencies[contender.label])
            for tracks, latencies in ((1, single), (most, many))
            for contender in contenders
        ]
    return DeviceBenchRecord(
        schema_version=DEVICE_BENCH_VERSION,
        machine=describe_machine(),
        device=device,
        board=_board(samples),
        backend=options.backend.value,
        backend_version=version,
        rows=tuple(rows),
        verdict=_verdict([row for row in rows if row.tracks == 1]),
    )


def keep_device_record(bundle: Bundle, record: DeviceBenchRecord) -> Bundle:
    """Write the record into the bundle, in the place of an earlier one of the same backend."""
    path = f"records/bench.{record.backend}.json"
    return update_bundle(bundle, bundle.manifest, (Part(path, FileRole.DEVICE_BENCHMARK, dumps(record).encode()),))


def _contenders(
    bundle: Bundle, options: EngineOptions, closing: ExitStack, say: Callable[[str], None]
) -> Iterator[Contender]:
    for graph, precision in built_engines(bundle, options):
        chosen = replace(options, precision=precision)
        engine = open_engine(bundle, graph, chosen)
        closing.callback(engine.close)
        yield Contender(f"{graph.name}, {chosen.label}", graph, engine, built_sha256(bundle, graph, chosen))
    try:
        cpu = open_engine(bundle, bundle.graph(), EngineOptions(threads=options.threads))
    except MissingExtraError as error:
        say(f"the CPU beside the device: not run: {error}")
        return
    yield Contender(f"{bundle.graph().name}, {Backend.ONNXRUNTIME.value}", bundle.graph(), cpu, None)


def _measure(
    contenders: list[Contender], *, tracks: int, rounds: int, say: Callable[[str], None]
) -> Mapping[str, Latency]:
    say(f"measuring {len(contenders)} engines in turn; tracks: {tracks}, rounds: {rounds}")
    calls = {c.label: stepped(c.engine, c.graph, tracks=tracks) for c in contenders}
    return dict(zip(calls, measure_interleaved(calls, rounds=rounds), strict=True))


def _row(bundle: Bundle, contender: Contender, tracks: int, latency: Latency) -> DeviceRow:
    label = contender.label.rpartition(", ")[2]
    complaint = why_not(bundle, contender.graph, engine=label, engine_sha256=contender.engine_sha256)
    enqueue, compute = _inside(contender.engine, tracks)
    standing = Standing.PASSED if complaint is None else _standing(bundle, contender.graph, label)
    return DeviceRow(
        graph=contender.graph.name,
        graph_sha256=sha256_of(bundle.graph_bytes(contender.graph)),
        engine=label,
        tracks=tracks,
        calls=latency.calls,
        p50_ms=latency.p50_ms,
        p90_ms=latency.p90_ms,
        p99_ms=latency.p99_ms,
        max_ms=latency.max_ms,
        jitter_ms=latency.p99_ms - latency.p50_ms,
        enqueue_p50_ms=enqueue,
        compute_p50_ms=compute,
        energy_mj=_energy_mj(contender, tracks),
        standing=standing,
        says=complaint or "verified in this engine",
    )


def _standing(bundle: Bundle, graph: GraphSpec, label: str) -> Standing:
    failed = any(v.graph == graph.name and v.engine == label and not v.passed for v in bundle.manifest.verification)
    return Standing.FAILED if failed else Standing.NOT_VERIFIED


def _inside(engine: Engine, tracks: int) -> tuple[float | None, float | None]:
    """(host time until a step is in the stream, device time of it), medians; None on the CPU."""
    if not isinstance(engine, TensorRtEngine):
        return None, None
    times = engine.time_steps(tracks, _TIMED_STEPS)
    return float(np.median([t.enqueue_ms for t in times])), float(np.median([t.compute_ms for t in times]))


def _board(samples: Samples) -> BoardFacts:
    return BoardFacts(
        board=read_board(),
        power_mode=power_mode(),
        gpu_mhz_before=samples.readings[0].gpu_mhz,
        gpu_mhz_after=samples.readings[-1].gpu_mhz,
        hottest_c=samples.hottest_c,
        throttled=samples.throttled,
        mean_power_w=samples.mean_power_w,
        rails=samples.readings[-1].rails,
    )


def _energy_mj(contender: Contender, tracks: int) -> float | None:
    """Of one step, measured apart: an engine alone, long enough for the sensors, after the latencies are known."""
    if read_sensors().power_w is None:
        return None
    call, steps = stepped(contender.engine, contender.graph, tracks=tracks), 0
    with sampled() as samples:
        until = monotonic() + _ENERGY_S
        while monotonic() < until:
            call()
            steps += 1
    power = samples.mean_power_w
    return None if power is None else power * samples.seconds / steps * 1e3


def _verdict(rows: list[DeviceRow]) -> str:
    fit = [row for row in rows if row.standing is Standing.PASSED]
    if not fit:
        return "no engine passes, so none is recommended; run `crystaledge verify` with this backend"
    best = min(fit, key=lambda row: row.p50_ms)
    others = "; ".join(
        f"{row.graph} in {row.engine} takes {row.p50_ms / best.p50_ms:.2f} of its time and is {row.standing.value}"
        for row in rows
        if row is not best
    )
    bound = ""
    if best.enqueue_p50_ms is not None and best.compute_p50_ms is not None:
        what = "enqueueing" if best.enqueue_p50_ms > best.compute_p50_ms else "computing"
        bound = f", bound by {what}"
    return f"{best.graph} in {best.engine} is the fastest that passes, p50 {best.p50_ms:.3g} ms{bound}" + (
        f": {others}" if others else ""
    )
