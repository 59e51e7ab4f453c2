"""`crystaledge report`: one page that needs nothing else, and what is missing in words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, update_bundle
from crystaledge.cli.main import main
from crystaledge.files import sha256_of
from crystaledge.jsonio import dumps
from crystaledge.manifest.model import FileRole
from crystaledge_benchmarks import bench
from crystaledge_benchmarks.bench import keep_record, measure_bundle
from crystaledge_benchmarks.commands import report
from crystaledge_benchmarks.report import layout
from crystaledge_benchmarks.report.bundle_records import read_records
from crystaledge_benchmarks.report.page import report_html
from tests.benchmarks.builders import (
    ENGINE,
    FILE_HASH,
    INT8,
    bench_record,
    quantized_bundle,
    verification,
    with_verification,
)
from tests.support.bundles import write_tiny_bundle


@pytest.fixture
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take their time; tests of words do without."""
    monkeypatch.setattr(layout, "svg_text", lambda make, prefix: f'<svg id="{prefix}"></svg>')


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle with every record. Not to be written to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "peak_memory", lambda *args, **kwargs: 60_000)
        bundle = quantized_bundle(tmp_path_factory.mktemp("measured") / "m.bundle")
        return keep_record(bundle, measure_bundle(bundle, rounds=100, threads=1))


@pytest.fixture(scope="module")
def page(measured: Bundle) -> str:
    return report_html(read_records(measured))


def words(page: str) -> str:
    """What a reader sees, without figures and tags."""
    bare = re.sub(r"<(svg|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", "", bare)).split())


def test_the_verb_writes_page_and_records(measured: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "r.html"
    assert main(["report", str(measured.path), "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["report"] == str(out) and [v["standing"] for v in found["verdicts"]] == ["passed", "passed"]
    data = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert data["manifest"]["choice"]["graph"] == measured.manifest.choice.graph  # type: ignore[union-attr]
    assert data["bench_is_current"] and len(data["bench"]["rows"]) == 8
    assert data["calibration"][INT8]["calibrated_on"]["files"] == 2
    assert data["verification"][INT8][0]["record"]["passed"]
    assert sorted(p.name for p in out.parent.iterdir()) == ["r.html", "r.json"]


@pytest.mark.usefixtures("_no_figures")
def test_existing_files_stay_without_force(
    measured: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r.html"
    out.with_suffix(".json").write_text("mine")
    assert main(["report", str(measured.path), "--out", str(out)]) == 2
    assert "--force" in capsys.readouterr().err
    assert out.with_suffix(".json").read_text() == "mine" and not out.exists()
    assert main(["report", str(measured.path), "--out", str(out), "--force"]) == 0
    assert out.exists() and out.with_suffix(".json").read_text() != "mine"


@pytest.mark.parametrize("name", ["r.json", "r", "m.bundle/r.html"])
def test_names_that_cannot_be_a_page_are_refused(
    measured: Bundle, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(p.name for p in measured.path.parent.rglob("*"))
    assert main(["report", str(measured.path), "--out", str(measured.path.parent / name)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert sorted(p.name for p in measured.path.parent.rglob("*")) == before


@pytest.mark.usefixtures("_no_figures")
def test_a_failure_leaves_nothing_behind(
    measured: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(records: object) -> str:
        raise OSError("no space")

    monkeypatch.setattr(report, "report_json", broken)
    assert main(["report", str(measured.path), "--out", str(tmp_path / "r.html")]) == 2
    assert not list(tmp_path.iterdir())


def test_the_page_needs_nothing_else(page: str) -> None:
    bare = re.sub(r' xmlns(:xlink)?="http://www\.w3\.org/[^"]*"', "", page)
    assert not re.search(r"https?:|file:|//[a-z]|@import|<script|<link|<img|<iframe", bare, re.IGNORECASE)
    targets = re.findall(r'(?:href|src)="([^"]*)"', bare) + re.findall(r"url\(([^)]*)\)", bare)
    ids = re.findall(r'\bid="([^"]*)"', bare)
    assert targets and len(ids) == len(set(ids))
    assert all(target.startswith("#") and target[1:] in set(ids) for target in targets)
    assert page.count("<svg") == 8 and "width=device-width" in page


def test_every_part_is_there(page: str) -> None:
    text = words(page)
    for part in (
        "step (float32) follows numpy",
        "keeps its memory",
        "is chosen for onnxruntime",
        "Over time",
        "Decisions",
        "same commit frame",
        "loss of AUC",
        "Ranges and nodes",
        "given back to float32 by the precision search",
        "Recipe",
        "left out",
        "Bytes",
        "Latency",
        "Not run",
        "float16: not run",
        "governor",
    ):
        assert part in text, part


def test_the_same_records_give_the_same_page(measured: Bundle, page: str) -> None:
    assert report_html(read_records(measured)) == page


@pytest.mark.usefixtures("_no_figures")
def test_nobody_can_be_told_from_the_report(measured: Bundle, page: str, tmp_path: Path) -> None:
    assert main(["report", str(measured.path), "--out", str(tmp_path / "r.html")]) == 0
    for text in (page, (tmp_path / "r.json").read_text(encoding="utf-8")):
        assert FILE_HASH not in text and FILE_HASH[:16] not in text
    assert sha256_of(b"set 0")[:16] in page and "2 files" in words(page)


def test_names_and_sentences_are_escaped(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script> $x^{$ `<b>code</b>`"
    bundle = quantized_bundle(tmp_path / "b")
    record = replace(verification(bundle.graph(INT8), bundle.manifest.files[0].sha256), sentence=hostile)
    record = replace(record, tensors=tuple(replace(trace, tensor=hostile) for trace in record.tensors))
    page = report_html(read_records(with_verification(bundle, record)))
    assert "<script" not in page and "<b>code" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<code>&lt;b&gt;code&lt;/b&gt;</code>" in page


@pytest.mark.usefixtures("_no_figures")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (write_tiny_bundle, ("has no INT8 graph; crystaledge quantize", "crystaledge bench BUNDLE measures")),
        (lambda path: quantized_bundle(path, verified=None), ("crystaledge verify BUNDLE does it", "not fit to run")),
        (lambda path: quantized_bundle(path, calibrated=False), ("no calibration record",)),
        (lambda path: quantized_bundle(path, verified=False), ("fails at step 64", "demand not met")),
    ],
)
def test_what_is_missing_is_said(make: Callable[[Path], Bundle], said: tuple[str, ...], tmp_path: Path) -> None:
    text = words(report_html(read_records(make(tmp_path / "b"))))
    for sentence in said:
        assert sentence in text


@pytest.mark.usefixtures("_no_figures")
def test_a_verification_of_other_bytes_is_said_to_be_one(tmp_path: Path) -> None:
    bundle = quantized_bundle(tmp_path / "b")
    stale = with_verification(bundle, verification(bundle.graph(INT8), sha256_of(b"other")))
    text = words(report_html(read_records(stale)))
    assert "speaks of other bytes" in text and f"{INT8} (INT8 for tensorrt) is not fit to run" in text


@pytest.mark.usefixtures("_no_figures")
def test_a_measurement_older_than_its_verification_is_said_to_be_one(measured: Bundle, tmp_path: Path) -> None:
    graph = measured.graph(INT8)
    failed = verification(graph, sha256_of(measured.graph_bytes(graph)), passed=False)
    moved = replace(measured, path=tmp_path / "b")
    text = words(report_html(read_records(with_verification(moved, failed))))
    assert "older verification" in text and f"{INT8} fails at step 64" in text


@pytest.mark.usefixtures("_no_figures")
def test_a_state_that_is_never_clipped_gets_a_sentence_and_no_empty_figure(tmp_path: Path) -> None:
    bundle = quantized_bundle(tmp_path / "b")
    record = verification(bundle.graph(INT8), bundle.manifest.files[0].sha256)
    (clipping,) = record.clipping
    calm = replace(record, clipping=(replace(clipping, share=(0.0,) * 6),))
    page = report_html(read_records(with_verification(bundle, calm)))
    assert "INT8 cuts off no value of the state 'hidden'" in words(page) and page.count("<svg") == 6
    none = report_html(read_records(with_verification(bundle, replace(record, clipping=()))))
    assert "no clipping of state channels" in words(none)


def test_an_incomplete_bench_record_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_tiny_bundle(tmp_path / "b")
    spoilt = replace(bench_record(), engine=ENGINE, engine_version="")
    part = Part("records/bench.json", FileRole.BENCHMARK, dumps(spoilt).encode())
    update_bundle(bundle, bundle.manifest, (part,))
    assert main(["report", str(bundle.path), "--out", str(tmp_path / "r.html")]) == 2
    assert "lacks the engine and its version" in capsys.readouterr().err
    assert not (tmp_path / "r.html").exists()


def test_extremes_can_be_drawn(tmp_path: Path) -> None:
    """One checked step, no error at all, decisions without a curve, a range that is a point."""
    bundle = quantized_bundle(tmp_path / "b")
    record = verification(bundle.graph(INT8), bundle.manifest.files[0].sha256)
    state = replace(record.state, cosine_mean=(1.0,), cosine_p01=(1.0,), cosine_min=(-1.0,), relative_error=(0.0,))
    decisions = replace(record.decisions, det_float=((0.0, 1.0), (1.0, 0.0)), det_deployed=((), ()), eer_deployed=0.0)
    tensors = tuple(replace(trace, max_abs=(0.0,), mean_abs=(0.0,)) for trace in record.tensors)
    extreme = replace(record, checked_steps=(1,), state=state, tensors=tensors, decisions=decisions)
    assert report_html(read_records(with_verification(bundle, extreme))).count("<svg") == 7
