"""A bench record that lacks a fact is refused; every fact is taken away once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from crystaledge_benchmarks.bench_record import BenchRecord, Caller, Parity, Standing
from crystaledge_benchmarks.errors import IncompleteRecordError
from crystaledge_benchmarks.machine import NOT_INSTALLED, NOT_READABLE
from crystaledge_benchmarks.missing_facts import refuse_missing_facts
from tests.benchmarks.builders import bench_record, float_parity
from tests.support.messages import message_of

Spoil = Callable[[BenchRecord], BenchRecord]


def of_machine(**changes: object) -> Spoil:
    return lambda record: replace(record, machine=replace(record.machine, **changes))  # type: ignore[arg-type]


def of_row(**changes: object) -> Spoil:
    return lambda record: replace(record, rows=(replace(record.rows[0], **changes), *record.rows[1:]))  # type: ignore[arg-type]


def of_record(**changes: object) -> Spoil:
    return lambda record: replace(record, **changes)  # type: ignore[arg-type]


def without_version_of(library: str) -> Spoil:
    kept = tuple(
        (name, NOT_INSTALLED if name == library else version) for name, version in bench_record().machine.packages
    )
    return of_machine(packages=kept)


def parity(standing: Standing, says: str = "so") -> Parity:
    return Parity(standing=standing, says=says)


SPOILT: dict[str, Spoil] = {
    "the name of the CPU": of_machine(cpu=""),
    "name of the CPU": of_machine(cpu=NOT_READABLE),
    "number of cores": of_machine(cores=0),
    "system": of_machine(system=""),
    "CPU governor": of_machine(governor=""),
    "version of onnxruntime": without_version_of("onnxruntime"),
    "version of numpy": of_machine(packages=(("crystaledge", "0.1.0"), ("onnxruntime", "1.20"))),
    "engine and its version": of_record(engine_version=""),
    "number of threads": of_record(threads=0),
    "a word on float16": of_record(not_run=()),
    "the reason of its choice": of_record(verdict=""),
    "lacks rows": of_record(rows=(), comparisons=()),
    "the comparison of 'step-int8-tensorrt'": of_record(comparisons=()),
    "calls in": of_row(calls=0),
    "p50 in": of_row(p50_ms=float("nan")),
    "lacks p50": of_row(p50_ms=0.0),
    "p90 in": of_row(p90_ms=-1.0),
    "p99 in": of_row(p99_ms=float("nan")),
    "max in": of_row(max_ms=float("inf")),
    "percentiles that rise": of_row(p99_ms=0.041, p90_ms=0.05),
    "the SHA-256": of_row(graph_sha256=""),
    "the bytes": of_row(file_bytes=0),
    "peak memory": of_row(peak_memory_kb=""),
    "lacks peak memory": of_row(peak_memory_kb=0),
    "words on parity": of_row(parity=parity(Standing.NOT_VERIFIED, says="")),
    "the numbers of its parity": of_row(parity=parity(Standing.PASSED)),
    "numbers of its parity": of_row(parity=parity(Standing.FAILED)),
    "the error of its parity": of_row(
        parity=replace(float_parity(), framework=replace(float_parity().framework, max_abs_error=float("nan")))  # type: ignore[type-var]
    ),
    "the row 'step', bare InferenceSession.run, 4 tracks": lambda record: replace(
        record,
        rows=tuple(r for r in record.rows if (r.graph, r.caller, r.tracks) != ("step", Caller.BARE, 4)),
    ),
    "the row 'step', crystaledge step, 1 tracks": lambda record: replace(
        record,
        rows=tuple(r for r in record.rows if (r.graph, r.caller, r.tracks) != ("step", Caller.RUNTIME, 1)),
    ),
}


def test_a_whole_record_is_accepted() -> None:
    refuse_missing_facts(bench_record(), where="The record")


def test_what_cannot_be_read_is_a_fact_where_it_is_said() -> None:
    record = of_row(peak_memory_kb=NOT_READABLE, parity=parity(Standing.NOT_VERIFIED))(bench_record())
    refuse_missing_facts(record, where="The record")


@pytest.mark.parametrize("fact", SPOILT)
def test_a_missing_fact_is_refused(fact: str) -> None:
    with pytest.raises(IncompleteRecordError) as raised:
        refuse_missing_facts(SPOILT[fact](bench_record()), where="The record")
    message = message_of(raised)
    assert message.startswith("The record lacks") and fact in message and "crystaledge bench" in message
