"""A bench record as a table for a person at a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from crystaledge_benchmarks.bench_record import BenchRecord, BenchRow, Comparison, Parity

_HEADER = ("graph", "called by", "tracks", "p50 ms", "p90 ms", "p99 ms", "max ms", "kB", "peak MB", "parity")
_LEFT = (0, 1, 9)
"""Columns of words."""


def bench_text(record: BenchRecord) -> str:
    """Rows, what was not run, the machine, and the choice as the last line."""
    machine = record.machine
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages)
    lines = _aligned([_HEADER, *(_cells(row) for row in record.rows)])
    lines += list(dict.fromkeys(f"{r.graph}: {r.parity.standing.value}, {r.parity.says}" for r in record.rows))
    lines += [_compared(comparison) for comparison in record.comparisons]
    lines += record.not_run
    lines.append(
        f"{machine.cpu}, {machine.cores} cores, governor {machine.governor}; {record.engine} {record.engine_version}, "
        f"threads: {record.threads}"
    )
    lines.append(f"{machine.system}, Python {machine.python}; {packages}")
    lines.append(record.verdict)
    return "\n".join(lines)


def memory_text(row: BenchRow) -> str:
    """Peak memory in MB (10^6 bytes), or the words that stand for it."""
    kb = row.peak_memory_kb
    return kb if isinstance(kb, str) else f"{kb * 1024 / 1e6:.1f}"


def parity_text(parity: Parity) -> str:
    """A graph's standing with its number or two."""
    if parity.framework is not None:
        return f"{parity.standing.value}, error {parity.framework.max_abs_error:.1e}"
    if parity.closed_loop is not None:
        known = parity.closed_loop
        return f"{parity.standing.value}, cosine {known.cosine_mean:.4f}, p01 {known.cosine_p01:.4f}"
    if parity.images is not None:
        return f"{parity.standing.value}, map error {parity.images.map_error:.3f}"
    return parity.standing.value


def _cells(row: BenchRow) -> tuple[str, ...]:
    times = (f"{value:.4f}" for value in (row.p50_ms, row.p90_ms, row.p99_ms, row.max_ms))
    size = f"{row.file_bytes / 1000:.1f}"
    return row.graph, row.caller.value, str(row.tracks), *times, size, memory_text(row), parity_text(row.parity)


def _compared(comparison: Comparison) -> str:
    return (
        f"{comparison.graph} against {comparison.against}: {comparison.speed.value}; a step takes "
        f"{comparison.p50_ratio:.2f} of its time; difference {comparison.difference_ms:+.4f} ms, "
        f"99 % interval {comparison.low_ms:+.4f} to {comparison.high_ms:+.4f} ms"
    )


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]
    return [
        "  ".join(
            cell.ljust(width) if i in _LEFT else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
