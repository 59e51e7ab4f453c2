"""Refuses a bench record that lacks a fact: a number without its machine, bytes or parity proves nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from crystaledge_benchmarks.bench_record import BenchRecord, BenchRow, Caller, Parity, Standing
from crystaledge_benchmarks.errors import IncompleteRecordError
from crystaledge_benchmarks.machine import NOT_INSTALLED, NOT_READABLE, Machine

_LIBRARIES = ("crystaledge", "numpy", "onnxruntime")


def refuse_missing_facts(record: BenchRecord, *, where: str) -> None:
    """Raise for the first fact that is missing.

    Args:
        where: what the record is or where it lies, for the message.

    Raises:
        IncompleteRecordError: a fact is missing, or a number cannot be one.
    """
    for fact in _missing(record):
        msg = f"{where} lacks {fact}; a record with missing facts is refused. Measure again with `crystaledge bench`."
        raise IncompleteRecordError(msg)


def _missing(record: BenchRecord) -> Iterator[str]:
    yield from _of_machine(record.machine)
    if not record.engine or not record.engine_version:
        yield "the engine and its version"
    if record.threads < 1:
        yield "the number of threads"
    for row in record.rows:
        yield from _of_row(row)
    yield from _of_table(record)
    if not any(line.startswith("float16:") for line in record.not_run):
        yield "a word on float16, which was not measured"
    if not record.verdict or (record.choice is not None and not record.choice.reason):
        yield "the reason of its choice"


def _of_machine(machine: Machine) -> Iterator[str]:
    if machine.cpu in ("", NOT_READABLE):
        yield "the name of the CPU"
    if machine.cores < 1:
        yield "the number of cores"
    if not machine.system or not machine.python:
        yield "the system and its Python"
    if not machine.governor:
        yield f"the CPU governor (or the words {NOT_READABLE!r})"
    versions = dict(machine.packages)
    for library in _LIBRARIES:
        if versions.get(library, NOT_INSTALLED) in ("", NOT_INSTALLED):
            yield f"the version of {library}"


def _of_row(row: BenchRow) -> Iterator[str]:
    name = f"the row {row.graph!r}, {row.caller.value}, {row.tracks} tracks"
    if row.calls < 1:
        yield f"calls in {name}"
    times = {"p50": row.p50_ms, "p90": row.p90_ms, "p99": row.p99_ms, "max": row.max_ms}
    for what, value in times.items():
        if not (math.isfinite(value) and value > 0.0):
            yield f"{what} in {name}"
    if list(times.values()) != sorted(times.values()):
        yield f"percentiles that rise in {name}"
    if not re.fullmatch("[0-9a-f]{64}", row.graph_sha256):
        yield f"the SHA-256 of the graph in {name}"
    if row.file_bytes < 1:
        yield f"the bytes of the graph in {name}"
    memory = row.peak_memory_kb
    if memory != NOT_READABLE and not (isinstance(memory, int) and memory > 0):
        yield f"peak memory (or the words {NOT_READABLE!r}) in {name}"
    yield from _of_parity(row.parity, name)


def _of_parity(parity: Parity, name: str) -> Iterator[str]:
    numbers = (parity.framework, parity.closed_loop, parity.images)
    if not parity.says:
        yield f"words on parity in {name}"
    if parity.standing is not Standing.NOT_VERIFIED and numbers.count(None) != 2:
        yield f"the numbers of its parity in {name}"
    if parity.max_abs_error is not None and not math.isfinite(parity.max_abs_error):
        yield f"the error of its parity in {name}"


def _of_table(record: BenchRecord) -> Iterator[str]:
    """Every graph has a row for each caller and each number of tracks, so that nothing is compared with nothing."""
    if not record.rows:
        yield "rows"
    found = {(row.graph, row.caller, row.tracks) for row in record.rows}
    for graph in dict.fromkeys(row.graph for row in record.rows):
        for tracks in sorted({1, *(row.tracks for row in record.rows if row.graph == graph)}):
            for caller in Caller:
                if (graph, caller, tracks) not in found:
                    yield f"the row {graph!r}, {caller.value}, {tracks} tracks"
    compared = {comparison.graph for comparison in record.comparisons}
    for row in record.rows:
        if row.target is not None and row.graph not in compared:
            yield f"the comparison of {row.graph!r} with its float32 original"
