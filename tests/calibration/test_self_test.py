"""The self-test of a device, on a fake one: the golden sequences say yes to the model and no to anything else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from crystaledge.bundle import Bundle
from crystaledge.cli.main import main
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.jsonio import loads
from crystaledge.system import System
from crystaledge_benchmarks.assets import embedded_bundle
from crystaledge_calibration.self_test import LEAST_COSINE, SelfTestRecord
from tests.support.fake_cuda import FakeDriver
from tests.support.fake_device import plug_in, put_engine


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    shutil.copytree(embedded_bundle(System.MNEMOSYNE), tmp_path / "m.bundle")
    return Bundle.open(tmp_path / "m.bundle")


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    return plug_in(monkeypatch)


def verify(bundle: Bundle, *more: str) -> int:
    return main(["verify", str(bundle.path), "--backend", "tensorrt", *more])


def with_wrong_recurrence(model: bytes) -> bytes:
    """A graph whose first step is right, and whose state is not read as it should be."""
    proto = onnx.load_from_string(model)
    weight = next(i for i in proto.graph.initializer if i.name == "cell.weight_hh")
    weight.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(weight), weight.name))
    data: bytes = proto.SerializeToString()
    return data


def test_the_model_passes_and_may_run_then(
    bundle: Bundle, device: FakeDriver, capsys: pytest.CaptureFixture[str]
) -> None:
    put_engine(bundle, bundle.graph(), device)
    run = ["run", str(bundle.path), "--source", "synthetic", "--frames", "3", "--backend", "tensorrt"]
    assert main(run) == 2
    assert "no verification is on record. Run `crystaledge verify --backend tensorrt`" in capsys.readouterr().err
    assert verify(bundle) == 0
    assert "step in tensorrt keeps its memory" in capsys.readouterr().out
    assert main(run) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert device.live == {"device": 0, "host": 0, "streams": 0, "graphs": 0} and device.retained == 0


def test_the_record_is_in_the_bundle(bundle: Bundle, device: FakeDriver) -> None:
    put_engine(bundle, bundle.graph(), device)
    assert verify(bundle) == 0
    again = Bundle.open(bundle.path)
    (summary,) = again.manifest.verification
    assert (summary.graph, summary.engine, summary.passed) == ("step", "tensorrt", True)
    record = loads(SelfTestRecord, again.contents[summary.record], where="record")
    assert record.steps == len(record.state_cosine) == summary.horizon
    assert min(record.state_cosine) > 1 - 1e-6 and record.max_abs_error < 1e-4
    assert verify(bundle) == 0
    assert len(Bundle.open(bundle.path).manifest.verification) == 1, "a second run takes the place of the first"


def test_a_wrong_recurrence_fails_after_the_first_step(
    bundle: Bundle, device: FakeDriver, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = bundle.graph()
    put_engine(bundle, graph, device, model=with_wrong_recurrence(bundle.graph_bytes(graph)))
    assert verify(bundle, "--json") == 1
    (record,) = json.loads(capsys.readouterr().out)["engines"]
    assert not record["passed"] and "fails the golden sequences at step 2" in record["sentence"]
    assert record["state_cosine"][0] > 1 - 1e-6 > record["state_cosine"][1]
    assert main(["run", str(bundle.path), "--source", "synthetic", "--frames", "2", "--backend", "tensorrt"]) == 2
    assert "fails the golden sequences" in capsys.readouterr().err


def test_a_precision_of_its_own_is_verified_for_itself(
    bundle: Bundle, device: FakeDriver, capsys: pytest.CaptureFixture[str]
) -> None:
    for precision in (BuiltPrecision.FLOAT32, BuiltPrecision.FLOAT16):
        put_engine(bundle, bundle.graph(), device, precision=precision)
    assert verify(bundle, "--precision", "float16") == 0
    assert [v.engine for v in Bundle.open(bundle.path).manifest.verification] == ["tensorrt-float16"]
    capsys.readouterr()
    run = ["run", str(bundle.path), "--source", "synthetic", "--frames", "2", "--backend", "tensorrt"]
    assert main(run) == 2, "float32 is another engine"
    assert main([*run, "--precision", "float16"]) == 0
    assert verify(bundle) == 0
    assert {v.engine for v in Bundle.open(bundle.path).manifest.verification} == {"tensorrt", "tensorrt-float16"}


def test_without_an_engine_it_says_what_to_do(
    bundle: Bundle, device: FakeDriver, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(bundle) == 2
    told = capsys.readouterr().err
    assert "run `crystaledge build` here first" in told and len(told.splitlines()) == 1


def test_options_of_built_engines_are_refused_for_onnxruntime(
    bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(bundle.path), "--precision", "float16"]) == 2
    assert "--precision is about built engines" in capsys.readouterr().err


def test_what_is_demanded_of_int8_is_what_the_gate_demands() -> None:
    assert LEAST_COSINE[BuiltPrecision.INT8] == 0.99
    assert np.all(np.array(list(LEAST_COSINE.values())) <= 0.9999)
