"""The chapter of the measurement: latency against error, every row, what was not run, and the machine."""

from __future__ import annotations

from functools import partial

from crystaledge_benchmarks.bench_record import BenchRecord
from crystaledge_benchmarks.report import outcome_figures, sentences, tables
from crystaledge_benchmarks.report.bundle_records import BundleRecords
from crystaledge_benchmarks.report.layout import Chapter, Draughtsman, Section

_TITLE = "Latency"


def bench_chapter(records: BundleRecords, hand: Draughtsman) -> Chapter:
    """What `bench` measured; where it did not, that it makes the record."""
    bench = records.bench
    if bench is None:
        return Chapter(_TITLE, (Section(title="Measurement", notes=(sentences.NO_BENCH,)),))
    engine = f"{bench.engine} {bench.engine_version}"
    machine = tables.machine_table(bench.machine, engine=engine, threads=bench.threads)
    return Chapter(
        _TITLE,
        (
            _measurement(bench, machine, hand, current=records.bench_current),
            Section(title="Not run", notes=bench.not_run),
        ),
    )


def _measurement(bench: BenchRecord, machine: tables.Table, hand: Draughtsman, *, current: bool) -> Section:
    scatter = hand.draw(
        partial(outcome_figures.latency_against_error, bench),
        "Lower left is better. Largest error of any output: of float32 against its framework, of INT8 against float32.",
    )
    return Section(
        title="Measurement",
        notes=(
            *(() if current else (sentences.OLD_BENCH,)),
            f"{bench.verdict}.",
            "Rows of equal tracks were measured in turn, in one run; the bare call is the engine without our runtime.",
        ),
        pictures=(scatter,),
        beside=(machine,),
        tables=(tables.latency_table(bench), *((tables.comparison_table(bench),) if bench.comparisons else ())),
    )
