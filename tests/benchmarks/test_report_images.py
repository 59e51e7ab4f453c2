"""Reports and measurements of networks without state: their verification is read by the kind of what they decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, update_bundle
from crystaledge.errors import BundleError
from crystaledge.files import sha256_of
from crystaledge.jsonio import dumps
from crystaledge.manifest.model import FileRole, ParitySummary
from crystaledge_benchmarks import bench
from crystaledge_benchmarks.bench import keep_record, measure_bundle
from crystaledge_benchmarks.bench_record import Standing
from crystaledge_benchmarks.bench_table import bench_text
from crystaledge_benchmarks.parity import parity_of, verification_record
from crystaledge_benchmarks.report import layout
from crystaledge_benchmarks.report.bundle_records import read_records
from crystaledge_benchmarks.report.page import report_html
from crystaledge_benchmarks.report.report_json import report_data
from crystaledge_calibration.family_members import families_to_verify
from crystaledge_calibration.image_records import ImageVerificationRecord
from crystaledge_calibration.image_set import ImageSet
from crystaledge_calibration.image_task import task_of
from crystaledge_calibration.keep_records import record_in_bundle
from crystaledge_calibration.quantize import add_to_bundle
from crystaledge_calibration.quantize_family import family_to_quantize, quantize_family
from crystaledge_calibration.verify_family import verify_family
from tests.benchmarks.builders import ENGINE
from tests.benchmarks.test_report import words
from tests.calibration import anomaly_builders, detector_builders
from tests.support.anomaly_bundles import write_patchcore_bundle
from tests.support.messages import message_of

Write = Callable[[Path], Bundle]


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "svg_text", lambda make, prefix: f'<svg id="{prefix}"></svg>')


def chained(bundle: Bundle, calibrating: ImageSet, verifying: ImageSet) -> Bundle:
    """Quantized, verified, and with a parity for each float graph."""
    task, options = task_of(bundle), anomaly_builders.PLAIN
    members = family_to_quantize(bundle, None, options.target, force=False)
    made = add_to_bundle(bundle, *quantize_family(bundle, members, calibrating, task, options))
    (family,) = families_to_verify(made, None)
    done = record_in_bundle(made, *verify_family(made, family, verifying, task, task.limits))
    parity = tuple(
        ParitySummary(graph=graph.name, reference="numpy", steps=1, batches=(1,), max_abs_error=1e-6, tolerance=1e-4)
        for graph in members
    )
    return update_bundle(done, replace(done.manifest, parity=parity), ())


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("detector")
    sets = [detector_builders.write_pictures(folder / f"pictures{seed}", 8, seed=seed) for seed in (0, 9)]
    bundle = detector_builders.write_detector_bundle(folder / "d.bundle")
    return chained(bundle, *(detector_builders.pictures(one) for one in sets))


@pytest.fixture(scope="module")
def anomaly(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("anomaly")
    data = anomaly_builders.write_set(folder / "parts", train=8, good=10, defective=10)
    bundle = write_patchcore_bundle(folder / "a.bundle")
    return chained(bundle, anomaly_builders.normals(data), anomaly_builders.shown(data))


@pytest.fixture(params=["detector", "anomaly"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    made: Bundle = request.getfixturevalue(request.param)
    return made


def record_of(bundle: Bundle) -> ImageVerificationRecord[Any, Any]:
    record = verification_record(bundle, bundle.manifest.verification[0])
    assert isinstance(record, ImageVerificationRecord)
    return record


def test_the_page_tells_verdict_decisions_demands_and_how_it_was_made(bundle: Bundle) -> None:
    text, record = words(report_html(read_records(bundle))), record_of(bundle)
    assert record.sentence in text
    for one in record.demands():
        assert one.what in text
    assert f"{record.limits.map_error:g}" in text and "On images" in text
    assert "1 - agreement" in text and "images set aside" in text and "1 - cosine" not in text
    assert "Over time" not in text and "closed loop; what did not help" not in text


def test_faces_and_anomalies_are_told_in_their_own_words(detector: Bundle, anomaly: Bundle) -> None:
    assert "faces float, " in words(report_html(read_records(detector)))
    assert "Judged together with" in words(report_html(read_records(detector)))
    text = words(report_html(read_records(anomaly)))
    assert "images anomalous float, " in text and "loss of AUROC" in text
    assert "images, each also with drawn defects" in text and "Judged together" not in text


def test_the_data_hold_the_records_without_the_hashes_of_files(bundle: Bundle) -> None:
    data = report_data(read_records(bundle))
    name = bundle.manifest.verification[0].graph
    found = data["verification"][name][0]
    assert found["current"] and found["record"]["decisions"]["images"] == record_of(bundle).decisions.images
    assert found["record"]["verified_on"]["files"] == len(record_of(bundle).verified_on.files)


def test_parity_is_that_of_the_record(bundle: Bundle) -> None:
    summary, record = bundle.manifest.verification[0], record_of(bundle)
    parity = parity_of(bundle, bundle.graph(summary.graph), engine=ENGINE)
    assert parity.standing is (Standing.PASSED if record.passed else Standing.FAILED)
    assert parity.images is not None and parity.closed_loop is None and parity.verified is parity.images
    assert parity.images.map_error == max(one.error for one in record.map_errors)
    assert parity.max_abs_error == max(trace.max_abs[0] for trace in record.tensors)
    assert f"in {record.verified_on.sequences} images" in parity.says


def test_a_verification_of_other_bytes_is_said_to_be_one(bundle: Bundle, tmp_path: Path) -> None:
    moved = replace(bundle, path=tmp_path / "b")
    stale = replace(record_of(bundle), graph_sha256=sha256_of(b"other"))
    text = words(report_html(read_records(record_in_bundle(moved, stale))))
    assert "speaks of other bytes" in text and "is not fit to run" in text


def test_a_record_without_numbers_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    summary = bundle.manifest.verification[0]
    for gap in (replace(record_of(bundle), map_errors=()), replace(record_of(bundle), tensors=())):
        part = Part(summary.record, FileRole.VERIFICATION, dumps(gap).encode())
        spoilt = update_bundle(replace(bundle, path=tmp_path / "b"), bundle.manifest, (part,))
        with pytest.raises(BundleError) as raised:
            read_records(spoilt)
        assert "make it again with `crystaledge verify`" in message_of(raised)


def test_they_are_measured_chosen_and_reported(
    anomaly: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "peak_memory", lambda *args, **kwargs: 60_000)
    moved = update_bundle(replace(anomaly, path=tmp_path / "b"), anomaly.manifest, ())
    record = measure_bundle(moved, rounds=100, threads=1)
    assert "map error 0." in bench_text(record)
    records = read_records(keep_record(moved, record))
    assert records.bench_current and records.bench is not None
    assert "passed, map error 0." in words(report_html(records))
