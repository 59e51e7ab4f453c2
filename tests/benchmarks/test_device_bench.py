"""`crystaledge bench --backend tensorrt` on a fake device: every engine beside the CPU, with the facts of the board."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, update_bundle
from crystaledge.cli.main import main
from crystaledge.engine.trt.flavour import Flavour
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.engine.trt.sidecar import engine_folder, engine_path
from crystaledge.files import sha256_of
from crystaledge.jsonio import loads
from crystaledge.manifest.model import FileRole, VerificationSummary
from crystaledge.sensors import Reading
from crystaledge_benchmarks.bench_record import Standing
from crystaledge_benchmarks.device_record import DeviceBenchRecord
from tests.support.bundles import write_tiny_bundle
from tests.support.fake_cuda import FakeDriver
from tests.support.fake_device import plug_in, put_engine

TENSORRT = ("--backend", "tensorrt", "--rounds", "100")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_tiny_bundle(tmp_path / "b")


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> FakeDriver:
    driver = FakeDriver()
    plug_in(monkeypatch, driver=driver)
    for precision in (BuiltPrecision.FLOAT32, BuiltPrecision.FLOAT16):
        put_engine(bundle, bundle.graph(), driver, precision=precision)
    return driver


def kept(bundle: Bundle) -> DeviceBenchRecord:
    again = Bundle.open(bundle.path)
    (path,) = [f.path for f in again.manifest.files if f.role is FileRole.DEVICE_BENCHMARK]
    return loads(DeviceBenchRecord, again.contents[path], where="record")


def test_every_engine_takes_part_and_nothing_unproven_is_recommended(
    bundle: Bundle, device: FakeDriver, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(bundle.path), *TENSORRT, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    record = kept(bundle)
    rows = {(row.graph, row.engine, row.tracks): row for row in record.rows}
    assert set(rows) == {
        ("step", engine, tracks) for engine in ("tensorrt", "tensorrt-float16", "onnxruntime") for tracks in (1, 4)
    }
    for (_, engine, _), row in rows.items():
        passed = engine == "onnxruntime"
        assert row.standing is (Standing.PASSED if passed else Standing.NOT_VERIFIED)
        assert (row.compute_p50_ms is None) == passed
        assert row.p50_ms <= row.p90_ms <= row.p99_ms <= row.max_ms
        assert row.jitter_ms == pytest.approx(row.p99_ms - row.p50_ms)
    compute = rows["step", "tensorrt", 1].compute_p50_ms
    assert compute is not None and compute > 0.0
    assert told["verdict"] == record.verdict and record.verdict.startswith(
        "step in onnxruntime is the fastest that passes"
    )
    assert record.device.name == "Fake Orin" and record.backend_version == "10.3.0"
    assert device.live == {"device": 0, "host": 0, "streams": 0, "graphs": 0} and device.retained == 0


def proven(bundle: Bundle, engine_sha256: str) -> None:
    """Put on record that the float32 engine of those bytes passed."""
    graph, path = bundle.graph(), "records/self-test.json"
    summary = VerificationSummary(
        graph=graph.name,
        graph_sha256=sha256_of(bundle.graph_bytes(graph)),
        engine="tensorrt",
        engine_sha256=engine_sha256,
        horizon=8,
        sequences=2,
        passed=True,
        sentence="It keeps its memory.",
        record=path,
    )
    manifest = replace(bundle.manifest, verification=(summary,))
    update_bundle(bundle, manifest, (Part(path, FileRole.SELF_TEST, b"{}"),))


@pytest.mark.parametrize("same", [True, False], ids=["the-verified-one", "another-one"])
def test_only_the_engine_file_that_was_verified_passes(
    same: bool, bundle: Bundle, device: FakeDriver, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = engine_path(engine_folder(bundle.path), "step", BuiltPrecision.FLOAT32, Flavour.TENSORRT)
    proven(bundle, sha256_of(engine.read_bytes() if same else b"what was built before"))
    assert main(["bench", str(bundle.path), *TENSORRT, "--json"]) == 0
    capsys.readouterr()
    rows = [row for row in kept(bundle).rows if row.engine == "tensorrt"]
    assert len(rows) == 2
    for row in rows:
        assert row.standing is (Standing.PASSED if same else Standing.NOT_VERIFIED)
        assert row.says.startswith("verified" if same else "its verification is of another engine file.")
    others = [row for row in kept(bundle).rows if row.engine == "tensorrt-float16"]
    assert {row.standing for row in others} == {Standing.NOT_VERIFIED}


def test_the_energy_of_a_step_is_that_of_its_engine_alone(
    bundle: Bundle, device: FakeDriver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reading = Reading(temperatures_c=(), gpu_mhz=None, throttled=(), power_w=10.0, rails=("VDD_GPU", "VDD_CPU"))
    for place in ("crystaledge.sensors", "crystaledge_benchmarks.device_bench"):
        monkeypatch.setattr(f"{place}.read_sensors", lambda *sys: reading)
    monkeypatch.setattr("crystaledge_benchmarks.device_bench._ENERGY_S", 0.05)
    assert main(["bench", str(bundle.path), *TENSORRT]) == 0
    record, text = kept(bundle), capsys.readouterr().out
    assert record.board.mean_power_w == 10.0 and record.board.rails == ("VDD_GPU", "VDD_CPU")
    assert "mean power of VDD_GPU + VDD_CPU 10 W;" in text and "not readable" not in text.split("energy", 1)[1][:12]
    for row in record.rows:
        assert row.energy_mj is not None
        assert row.energy_mj > 0.2 * 10.0 * row.p50_ms, "10 W for as long as a step takes, in millijoules"


def test_a_board_without_sensors_says_so(
    bundle: Bundle, device: FakeDriver, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(bundle.path), *TENSORRT]) == 0
    record, text = kept(bundle), capsys.readouterr().out
    if record.board.mean_power_w is None:
        assert "mean power not readable" in text and "energy not readable" in text
    assert "power mode" in text and "Fake Orin, SM 8.7, CUDA 12.6, tensorrt 10.3.0" in text


def test_without_an_engine_there_is_nothing_to_measure(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plug_in(monkeypatch)
    assert main(["bench", str(bundle.path), *TENSORRT]) == 2
    assert "run `crystaledge build` here first" in capsys.readouterr().err
