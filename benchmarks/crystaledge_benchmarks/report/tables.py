"""The report's tables as text, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crystaledge.manifest.model import Precision
from crystaledge_benchmarks.bench_record import BenchRecord, BenchRow
from crystaledge_benchmarks.bench_table import memory_text, parity_text
from crystaledge_benchmarks.machine import Machine
from crystaledge_calibration.image_records import ImageVerificationRecord
from crystaledge_calibration.records import CalibrationRecord, Interval, VerificationRecord

MET, NOT_MET = "met", "not met"
TAKEN, LEFT_OUT = "taken", "left out"


@dataclass(frozen=True, slots=True)
class Table:
    """Header and rows of equal length."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[int] = frozenset({0})
    """Columns that are set left; all others hold numbers."""
    long: frozenset[int] = frozenset()
    """Columns whose lines may break."""


def decision_table(record: VerificationRecord) -> Table:
    """Do both graphs decide alike, and is that enough?"""
    d, limits = record.decisions, record.limits
    rows = (
        _demand("same best match", _percent(d.same_match), limits.same_match, d.same_match),
        _demand(
            f"same verdict (FAR {d.false_accept_rate:g})", _percent(d.same_verdict), limits.same_verdict, d.same_verdict
        ),
        _demand("same commit frame", _percent(d.same_commit), limits.same_commit, d.same_commit),
        ("float32 commits", _percent(d.committed), "", ""),
        (
            "most frames apart",
            str(d.most_frames_apart),
            f"≤ {limits.frames_apart}",
            _met(d.most_frames_apart <= limits.frames_apart),
        ),
        (f"AUC, float32 (step {d.auc_step})", f"{d.auc_float:.5f}", "", ""),
        ("AUC, INT8", f"{d.auc_deployed:.5f}", "", ""),
        (
            "loss of AUC",
            f"{d.auc_loss.value:+.4f}",
            f"≤ {limits.auc_loss:g}",
            _met(d.auc_loss.value <= limits.auc_loss),
        ),
        _interval(d.auc_loss),
        ("EER, float32", f"{100 * d.eer_float:.3f} %", "", ""),
        ("EER, INT8", f"{100 * d.eer_deployed:.3f} %", "", ""),
        ("rise of EER", f"{d.eer_rise.value:+.4f}", "", ""),
        _interval(d.eer_rise),
    )
    return Table(("decision", "measured", "limit", ""), rows, frozenset({0, 3}), frozenset({0}))


def over_time_table(record: VerificationRecord) -> Table:
    """The state at each checked step."""
    state = record.state
    columns = (state.cosine_mean, state.cosine_p01, state.cosine_min, state.relative_error)
    rows = tuple(
        (str(step), *(f"{column[i]:.5f}" for column in columns)) for i, step in enumerate(record.checked_steps)
    )
    return Table(("step", "cosine, mean", "1st percentile", "smallest", "relative error"), rows, frozenset())


def finding_table(record: VerificationRecord) -> Table:
    """Demands that were not met."""
    rows = tuple((f.demand, f"{f.measured:.4g}", f"{f.limit:g}", str(f.step)) for f in record.findings)
    return Table(("demand not met", "measured", "limit", "since step"), rows, long=frozenset({0}))


def demand_table(record: ImageVerificationRecord[Any, Any]) -> Table:
    """Everything that the gate demanded of decisions about images, and of this graph's maps."""
    rows = tuple(
        (one.what, f"{one.measured:.4g}", f"{'≥' if one.at_least else '≤'} {one.limit:g}", _met(one.met))
        for one in record.demands()
    )
    return Table(("demand", "measured", "limit", ""), rows, frozenset({0, 3}), frozenset({0}))


def recipe_table(record: CalibrationRecord) -> Table:
    """Every step that was tried, in order."""
    rows = tuple(
        (
            step.name,
            TAKEN if step.taken else LEFT_OUT,
            f"{step.loss:.2e}",
            f"{step.cosine_mean:.5f}",
            f"{step.cosine_p01:.5f}",
        )
        for step in record.recipe
    )
    what = record.measure
    header = ("step", "", f"1 - {what}", f"{what}, mean", "1st percentile")
    return Table(header, rows, frozenset({0, 1}), frozenset({0}))


def float_node_table(record: CalibrationRecord) -> Table:
    """Nodes that stayed in float32 and why."""
    total = max(sum(node.macs for node in record.nodes), 1)
    rows = tuple(
        (node.node, node.op, node.reason, f"{100 * node.macs / total:.1f} %")
        for node in record.nodes
        if node.precision is Precision.FLOAT32
    )
    return Table(("node in float32", "operator", "why", "MACs"), rows, frozenset({0, 1, 2}), frozenset({0, 2}))


def byte_table(record: CalibrationRecord) -> Table:
    """Where the bytes of both files go."""
    rows = tuple(
        (
            account.what,
            f"{account.float32_bytes:,}",
            f"{account.int8_bytes:,}",
            f"{account.int8_bytes / account.float32_bytes:.2f}" if account.float32_bytes else "new",
        )
        for account in record.accounting
    )
    return Table(("content", "float32, bytes", "INT8, bytes", "ratio"), rows)


def latency_table(record: BenchRecord) -> Table:
    """Every measured row."""
    header = (
        "graph",
        "called by",
        "tracks",
        "p50 ms",
        "p90 ms",
        "p99 ms",
        "max ms",
        "calls",
        "kB",
        "peak MB",
        "parity",
    )
    return Table(header, tuple(_latency_row(row) for row in record.rows), frozenset({0, 1, 10}), frozenset({10}))


def comparison_table(record: BenchRecord) -> Table:
    """Quantized graphs against their originals."""
    rows = tuple(
        (
            c.graph,
            c.speed.value,
            f"{c.p50_ratio:.2f}",
            f"{1000 * c.difference_ms:+.1f}",
            f"{1000 * c.low_ms:+.1f} to {1000 * c.high_ms:+.1f}",
        )
        for c in record.comparisons
    )
    header = ("one step, INT8 against float32", "", "p50 ratio", "difference, µs", "99 % interval, µs")
    return Table(header, rows, frozenset({0, 1}))


def machine_table(machine: Machine, *, engine: str, threads: int) -> Table:
    """Where it was measured."""
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages)
    rows = (
        ("CPU", f"{machine.cpu}, {machine.cores} cores usable, governor: {machine.governor}"),
        ("system", f"{machine.system}, Python {machine.python}"),
        ("engine", f"{engine}, threads: {threads}"),
        ("packages", packages),
    )
    return Table(("machine", ""), rows, frozenset({0, 1}), frozenset({1}))


def _latency_row(row: BenchRow) -> tuple[str, ...]:
    times: Sequence[float] = (row.p50_ms, row.p90_ms, row.p99_ms, row.max_ms)
    return (
        row.graph,
        row.caller.value,
        str(row.tracks),
        *(f"{value:.3f}" for value in times),
        str(row.calls),
        f"{row.file_bytes / 1000:.1f}",
        memory_text(row),
        parity_text(row.parity),
    )


def _demand(what: str, measured: str, limit: float, value: float) -> tuple[str, ...]:
    return what, measured, f"≥ {100 * limit:g} %", _met(value >= limit)


def _met(met: bool) -> str:
    return MET if met else NOT_MET


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _interval(interval: Interval) -> tuple[str, ...]:
    return "95 % interval", f"{interval.low:+.4f} to {interval.high:+.4f}", "", ""
