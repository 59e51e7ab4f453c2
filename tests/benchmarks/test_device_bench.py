"""`crystaledge bench --backend tensorrt` on a fake device: every engine beside the CPU, with the facts of the board."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crystaledge.bundle import Bundle
from crystaledge.cli.main import main
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.jsonio import loads
from crystaledge.manifest.model import FileRole
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
