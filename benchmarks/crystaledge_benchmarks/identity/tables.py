"""What was measured, as tables for a person; every figure in percent with its 95 % interval over people."""

from __future__ import annotations

import math
from collections.abc import Sequence

from crystaledge.metrics.bootstrap import Estimate
from crystaledge_benchmarks.identity.measure import NetworkResult
from crystaledge_benchmarks.identity.protocol import Protocol
from crystaledge_benchmarks.table import PartReport, Table, number

_NO_DATA = "none"
_HOW = (
    "Of a bundle, what is averaged is the identity after one observation; a state is compared as the bundle says.",
    "Peers see the same crops, enlarged; their CPU time leaves out the detector that finds their landmarks.",
)


def report(results: Sequence[NetworkResult], protocol: Protocol, not_run: Sequence[str]) -> PartReport:
    """Three tables, and where each network's knowledge comes from."""
    return PartReport(
        name="identity",
        tables=(_singles(results), _sequences(results, protocol), _reductions(results)),
        findings=(*_HOW, *(f"{one.name}: outside data: {one.outside_data}." for one in results), *not_run),
        record=tuple(results),
    )


def percents(value: Estimate | None, digits: int = 1) -> str:
    """Value and interval in percent; `-` where there is no value."""
    if value is None or math.isnan(value.value):
        return "-"
    centre, low, high = (f"{100.0 * part:.{digits}f}" for part in (value.value, value.low, value.high))
    return f"{centre} [{low}, {high}]"


def _singles(results: Sequence[NetworkResult]) -> Table:
    measures = list(results[0].singles.retrieval) if results else []
    header = (
        "network",
        "parameters",
        "outside data",
        "View 1",
        "with mirror, twice the cost",
        *measures,
        "CPU ms a face",
    )
    title = "One image a side, in %; View 1 by pairs, retrieval by people who have two images or more"
    return Table(title, header, tuple(_single_row(one) for one in results))


def _single_row(one: NetworkResult) -> tuple[str, ...]:
    singles = one.singles
    return (
        one.name,
        "-" if one.parameters is None else f"{one.parameters:,}",
        "none" if one.outside_data == _NO_DATA else "see below",
        percents(singles.view1),
        percents(singles.view1_mirrored),
        *map(percents, singles.retrieval.values()),
        number(singles.cpu_ms, 3),
    )


def _sequences(results: Sequence[NetworkResult], protocol: Protocol) -> Table:
    seen = protocol.observations
    title = (
        f"False non-matches at a rate of false matches of {protocol.false_match_rate:g}, {seen} images against {seen}, "
        f"mean of {protocol.draws} draws; and rank 1 of one ORL image against enrolments of {seen}, in %"
    )
    header = (
        "network and fusing",
        *("clean" if s == 0 else f"severity {s}" for s in protocol.severities),
        "ORL rank 1",
    )
    rows = tuple(
        (
            f"{one.name}, {fused.way}",
            *(percents(fused.false_non_match[str(severity)], 2) for severity in protocol.severities),
            percents(fused.closed_set),
        )
        for one in results
        for fused in one.fused
    )
    return Table(title, header, rows)


def _reductions(results: Sequence[NetworkResult]) -> Table:
    rows = tuple((one.name, *(percents(r.share, 0) for r in one.reductions)) for one in results if one.reductions)
    columns = next(([(r.against, r.severity) for r in one.reductions] for one in results if one.reductions), [])
    header = ("network", *(f"{way}, severity {severity}" for way, severity in columns))
    return Table("False non-matches that crystallizing saves, in % of those of", header, rows)
