"""The ratios that the runtime promises: `python -m crystaledge_benchmarks.ratios BUNDLE`, each from one run.

Timings are benchmarks, not tests. `crystaledge bench` measures the graphs of a bundle and keeps its record;
this adds what needs torch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch

from crystaledge.bundle import Bundle
from crystaledge_benchmarks.latency import Latency, measure_interleaved
from crystaledge_benchmarks.step_bench import MANY, bare_session, measure_steps, repeated, runtime_step
from crystaledge_benchmarks.torch_reference import REFERENCE
from crystaledge_calibration.drift import worst_of
from crystaledge_export.export import Exported, ExportedGraph
from crystaledge_export.mnemosyne import describe
from crystaledge_training.checkpoint import read_checkpoint
from crystaledge_training.weights import embedded_checkpoint

ROUNDS = 2000
HORIZON = 1000


def print_ratios(path: Path, say: Callable[[str], None]) -> None:
    """Measure and say every ratio for an exported bundle of the embedded weights."""
    bundle = Bundle.open(path)
    checkpoint = read_checkpoint(embedded_checkpoint(bundle.manifest.system))
    graph, parity = bundle.graph(), bundle.manifest.parity[0]
    exported = Exported(bundle, (ExportedGraph(describe(checkpoint), graph, bundle.graph_bytes(graph), parity),))
    torch.set_num_threads(1)
    ours, bare, eager = measure_steps(
        bundle, rounds=ROUNDS, more={"torch eager, one thread": REFERENCE.torch_eager_step(exported)}
    )
    for row in (ours, bare, eager):
        say(_row(row))
    say(f"step / bare session: {ours.p50_ms / bare.p50_ms:.3f}")
    say(f"torch eager / step: {eager.p50_ms / ours.p50_ms:.1f}")
    for threads in (1, 2):
        _say_batched(bundle, threads, say)
    drifts = REFERENCE.closed_loop_drift(exported, steps=HORIZON, batch=2)
    worst = worst_of(drifts)
    say(f"rollout of {HORIZON} steps against torch: {worst.worst:.2e} in {worst.tensor}")


def _say_batched(bundle: Bundle, threads: int, say: Callable[[str], None]) -> None:
    graph = bundle.graph()
    rows = measure_interleaved(
        {
            f"{MANY} tracks, one step, {threads} threads": runtime_step(bundle, graph, tracks=MANY, threads=threads),
            f"bare session, batch {MANY}, {threads} threads": bare_session(bundle, graph, batch=MANY, threads=threads),
            f"{MANY} single steps, 1 thread": repeated(runtime_step(bundle, graph, tracks=1, threads=1)),
            f"{MANY} bare runs of batch 1, 1 thread": repeated(bare_session(bundle, graph, batch=1, threads=1)),
        },
        rounds=ROUNDS // 10,
    )
    for row in rows:
        say(_row(row))
    say(f"{MANY} batched on {threads} threads / {MANY} single steps: {rows[0].p50_ms / rows[2].p50_ms:.3f}")
    say(f"{MANY} batched on {threads} threads / {MANY} bare runs: {rows[0].p50_ms / rows[3].p50_ms:.3f}")


def _row(row: Latency) -> str:
    return (
        f"{row.name}: p50 {row.p50_ms:.4f} ms, p90 {row.p90_ms:.4f}, p99 {row.p99_ms:.4f}, max {row.max_ms:.4f} "
        f"({row.calls} calls)"
    )


if __name__ == "__main__":
    print_ratios(Path(sys.argv[1]), lambda line: print(line, flush=True))  # noqa: T201
