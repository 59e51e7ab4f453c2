"""The report as one HTML text that needs nothing else."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from crystaledge_benchmarks.bench_record import Speed, Standing
from crystaledge_benchmarks.report import sentences, tables
from crystaledge_benchmarks.report.bench_chapter import bench_chapter
from crystaledge_benchmarks.report.bundle_records import BundleRecords
from crystaledge_benchmarks.report.graph_chapter import graph_chapter
from crystaledge_benchmarks.report.layout import Draughtsman

_TONES = {
    Standing.PASSED.value: "good",
    Standing.FAILED.value: "bad",
    Standing.NOT_VERIFIED.value: "open",
    tables.MET: "good",
    tables.NOT_MET: "bad",
    tables.TAKEN: "good",
    tables.LEFT_OUT: "open",
    Speed.FASTER.value: "good",
    Speed.SLOWER.value: "bad",
    Speed.WITHIN_NOISE.value: "open",
}
"""Cells that are set in colour; their words say the same."""


def report_html(records: BundleRecords) -> str:
    """The report as HTML text."""
    manifest = records.bundle.manifest
    verdicts = [sentences.verdict_of(records, graph) for graph in manifest.graphs]
    hand = Draughtsman()
    chapters = [graph_chapter(records, quantized, hand) for quantized in records.quantized]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            name=records.bundle.path.resolve().name,
            manifest=manifest,
            verdicts=[(standing.value, text) for standing, text in verdicts],
            choice=sentences.NO_CHOICE if manifest.choice is None else f"{manifest.choice.reason}.",
            no_quantized="" if records.quantized else sentences.NO_QUANTIZED,
            chapters=[*chapters, bench_chapter(records, hand)],
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("crystaledge_benchmarks"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = sentences.with_code
    environment.filters["tone"] = lambda cell: _TONES.get(cell, "")
    return environment
