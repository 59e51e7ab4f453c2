"""Tables for a person, and what stands in them where there is nothing to say."""

from __future__ import annotations

import math

from crystaledge.metrics.bootstrap import Estimate
from crystaledge_benchmarks.identity.measure import FusedResult, NetworkResult, ReductionResult
from crystaledge_benchmarks.identity.protocol import Protocol
from crystaledge_benchmarks.identity.singles import SinglesResult
from crystaledge_benchmarks.identity.tables import percents, report

PROTOCOL = Protocol(severities=(0, 3))


def result(name: str, *, state: bool) -> NetworkResult:
    figure = Estimate(0.5, 0.25, 0.75)
    fused = FusedResult(way="mean", false_non_match={"0": figure, "3": figure}, closed_set=None)
    saved = ReductionResult(against="mean", severity=3, share=Estimate(0.42, 0.1, 0.6))
    return NetworkResult(
        name=name,
        parameters=1234 if state else None,
        outside_data="none" if state else "a teacher",
        singles=SinglesResult(view1=figure, view1_mirrored=figure, retrieval={"recall@1": figure}, cpu_ms=0.1234),
        fused=(fused,),
        reductions=(saved,) if state else (),
    )


def test_every_network_has_its_rows() -> None:
    singles, sequences, reductions = report([result("b", state=False), result("a", state=True)], PROTOCOL, []).tables
    figure = "50.0 [25.0, 75.0]"
    assert singles.rows[0] == ("b", "-", "see below", figure, figure, figure, "0.123")
    assert singles.rows[1][:3] == ("a", "1,234", "none")
    assert sequences.rows[0] == ("b, mean", "50.00 [25.00, 75.00]", "50.00 [25.00, 75.00]", "-")
    assert sequences.header == ("network and fusing", "clean", "severity 3", "ORL rank 1")
    assert reductions.header == ("network", "mean, severity 3")
    assert reductions.rows == (("a", "42 [10, 60]"),)


def test_what_did_not_run_is_said() -> None:
    text = report([result("a", state=True)], PROTOCOL, ["dlib: not run: no weights"]).text()
    assert "dlib: not run: no weights" in text
    assert "a: outside data: none." in text
    assert report([], PROTOCOL, ["all: not run: x"]).text().endswith("all: not run: x")


def test_no_value_is_a_dash() -> None:
    assert percents(None) == "-"
    assert percents(Estimate(math.nan, math.nan, math.nan)) == "-"
    assert percents(Estimate(0.12345, 0.1, 0.2), 2) == "12.35 [10.00, 20.00]"
