"""All records of a bundle, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from crystaledge.bundle import Bundle
from crystaledge.engine.select import Backend
from crystaledge.errors import BundleError
from crystaledge.files import sha256_of
from crystaledge.jsonio import loads, refuse_unknown_version
from crystaledge.manifest.model import FileRole, GraphSpec, Precision
from crystaledge_benchmarks.bench_record import BENCH_VERSION, BenchRecord
from crystaledge_benchmarks.missing_facts import refuse_missing_facts
from crystaledge_benchmarks.parity import is_of_these_bytes, parity_of, verification_record
from crystaledge_calibration.kinds import AnyVerificationRecord
from crystaledge_calibration.records import RECORD_VERSION, CalibrationRecord

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verification:
    """A verification record, and whether it speaks of the graph as it is now."""

    record: AnyVerificationRecord
    current: bool


@dataclass(frozen=True, slots=True)
class QuantizedGraph:
    """A quantized graph with what is recorded of it."""

    graph: GraphSpec
    calibration: CalibrationRecord | None
    verifications: tuple[Verification, ...]
    """One for each engine."""


@dataclass(frozen=True, slots=True)
class BundleRecords:
    """A bundle and its records."""

    bundle: Bundle
    quantized: tuple[QuantizedGraph, ...]
    bench: BenchRecord | None
    bench_current: bool
    """The bench record speaks of the graphs and verifications as they are now."""


def read_records(bundle: Bundle) -> BundleRecords:
    """Read every record of a bundle.

    Raises:
        BundleError: a record cannot be read, or contradicts the manifest.
        IncompleteRecordError: the bench record lacks a fact.
    """
    calibrations = {c.graph: c for c in _records(bundle, FileRole.CALIBRATION, CalibrationRecord, RECORD_VERSION)}
    quantized = tuple(
        QuantizedGraph(graph, calibrations.get(graph.name), _verifications(bundle, graph))
        for graph in bundle.manifest.graphs
        if graph.precision is not Precision.FLOAT32
    )
    benches = _records(bundle, FileRole.BENCHMARK, BenchRecord, BENCH_VERSION)
    bench = benches[-1] if benches else None
    if bench is not None:
        refuse_missing_facts(bench, where=f"The bench record of {bundle.path}")
    return BundleRecords(bundle, quantized, bench, bench is not None and _is_current(bundle, bench))


def _records(bundle: Bundle, role: FileRole, kind: type[T], version: int) -> list[T]:
    found = []
    for entry in bundle.manifest.files:
        if entry.role is role:
            where, text = str(bundle.path / entry.path), bundle.contents[entry.path]
            refuse_unknown_version(text, version, where=where, error=BundleError)
            found.append(loads(kind, text, where=where, error=BundleError))
    return found


def _verifications(bundle: Bundle, graph: GraphSpec) -> tuple[Verification, ...]:
    verifications = {entry.path for entry in bundle.manifest.files if entry.role is FileRole.VERIFICATION}
    return tuple(
        Verification(verification_record(bundle, summary), is_of_these_bytes(bundle, summary))
        for summary in bundle.manifest.verification
        if summary.graph == graph.name and summary.record in verifications
    )


def _is_current(bundle: Bundle, bench: BenchRecord) -> bool:
    now = {
        graph.name: (sha256_of(bundle.graph_bytes(graph)), parity_of(bundle, graph, engine=Backend.ONNXRUNTIME.value))
        for graph in bundle.manifest.graphs
    }
    then = {row.graph: (row.graph_sha256, row.parity) for row in bench.rows}
    return now == then
