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
from crystaledge.files import sha256_of
from crystaledge.jsonio import loads
from crystaledge.system import System
from crystaledge_benchmarks.assets import embedded_bundle
from crystaledge_calibration.self_test import LEAST_COSINE, MOST_ERROR, SelfTestRecord
from tests.support.fake_cuda import FakeDriver
from tests.support.fake_device import plug_in, put_engine
from tests.support.fake_tensorrt import Engine


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
    assert min(record.state_cosine) > 1 - 1e-6 and max(error for _, error in record.max_abs_error) < 1e-4
    assert record.buckets == Bundle.open(bundle.path).graph().batch.buckets and record.engine_sha256 is not None
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


def scaled(model: bytes, output: str, factor: float) -> bytes:
    """A graph of which one output is a multiple of what it should be."""
    proto = onnx.load_from_string(model)
    (node,) = [n for n in proto.graph.node if output in n.output]
    for other in proto.graph.node:  # who reads it within the graph goes on reading the right one
        other.input[:] = ["unscaled" if name == output else name for name in other.input]
    node.output[list(node.output).index(output)] = "unscaled"
    proto.graph.initializer.append(numpy_helper.from_array(np.array(factor, np.float32), "factor"))
    proto.graph.node.append(onnx.helper.make_node("Mul", ["unscaled", "factor"], [output]))
    onnx.checker.check_model(proto)
    data: bytes = proto.SerializeToString()
    return data


@pytest.mark.parametrize("factor", [0.5, 1.05, -1.0])
@pytest.mark.parametrize("head", ["quality", "log_variance", "velocity"])
def test_a_wrong_head_fails_though_the_memory_is_right(
    head: str, factor: float, bundle: Bundle, device: FakeDriver, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = bundle.graph()
    put_engine(bundle, graph, device, model=scaled(bundle.graph_bytes(graph), head, factor))
    assert verify(bundle, "--json") == 1
    (record,) = json.loads(capsys.readouterr().out)["engines"]
    assert min(record["state_cosine"]) > 1 - 1e-6
    errors = dict(record["max_abs_error"])
    assert errors.pop(head) > record["most_error"] == MOST_ERROR[BuiltPrecision.FLOAT32]
    assert max(errors.values()) < 1e-4
    assert not record["passed"] and f"in {head!r}" in record["sentence"]
    assert "fails the golden sequences: " in record["sentence"], "no step of the memory is to blame"
    assert main(["run", str(bundle.path), "--source", "synthetic", "--frames", "2", "--backend", "tensorrt"]) == 2
    assert "fails the golden sequences" in capsys.readouterr().err


def test_every_bucket_is_run_and_one_that_is_wrong_is_enough(
    bundle: Bundle, device: FakeDriver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = bundle.graph()
    put_engine(bundle, graph, device)
    computes, rows = Engine._compute, list[int]()
    spoilt = 0

    def spied(engine: Engine, shapes: dict[str, tuple[int, ...]], addresses: dict[str, int]) -> None:
        computes(engine, shapes, addresses)
        count = shapes["hidden"][0]
        rows.append(count)
        if count == spoilt:  # kernels of this bucket alone lose their last track
            (state,) = graph.states
            size = 4 * int(np.prod(state.shape))
            device.at(addresses[state.output] + (count - 1) * size, size).view(np.float32)[:] *= -1

    monkeypatch.setattr(Engine, "_compute", spied)
    assert verify(bundle, "--json") == 0
    (record,) = json.loads(capsys.readouterr().out)["engines"]
    assert tuple(record["buckets"]) == graph.batch.buckets == tuple(dict.fromkeys(rows))
    assert all(rows.count(bucket) >= record["steps"] for bucket in graph.batch.buckets)
    for spoilt in graph.batch.buckets:
        assert verify(bundle, "--json") == 1, f"bucket {spoilt}"
        (record,) = json.loads(capsys.readouterr().out)["engines"]
        assert record["state_cosine"][0] < 0.0


def test_an_output_that_is_not_finite_fails(
    bundle: Bundle, device: FakeDriver, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = bundle.graph()
    put_engine(bundle, graph, device, model=scaled(bundle.graph_bytes(graph), "quality", float("nan")))
    assert verify(bundle, "--json") == 1
    (record,) = json.loads(capsys.readouterr().out)["engines"]
    assert dict(record["max_abs_error"])["quality"] == 1e30 and min(record["state_cosine"]) > 1 - 1e-6


def test_an_engine_that_was_built_again_is_to_be_verified_again(
    bundle: Bundle, device: FakeDriver, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = bundle.graph()
    path = put_engine(bundle, graph, device)
    assert verify(bundle) == 0
    (first,) = Bundle.open(bundle.path).manifest.verification
    assert first.engine_sha256 == sha256_of(path.read_bytes())
    run = ["run", str(bundle.path), "--source", "synthetic", "--frames", "2", "--backend", "tensorrt"]
    assert main(run) == 0
    proto = onnx.load_from_string(bundle.graph_bytes(graph))
    proto.doc_string = "the same numbers in another file"
    put_engine(bundle, graph, device, model=proto.SerializeToString())
    capsys.readouterr()
    assert main(run) == 2
    told = capsys.readouterr()
    assert told.out == "" and len(told.err.splitlines()) == 1
    assert "its verification is of another engine file. Run `crystaledge verify --backend tensorrt` again" in told.err
    assert main([*run, "--unverified"]) == 0
    assert verify(bundle) == 0
    (second,) = Bundle.open(bundle.path).manifest.verification
    assert second.engine_sha256 == sha256_of(path.read_bytes()) != first.engine_sha256
    assert main(run) == 0


def test_an_engine_that_was_exchanged_under_its_sidecar_does_not_run(
    bundle: Bundle, device: FakeDriver, capsys: pytest.CaptureFixture[str]
) -> None:
    path = put_engine(bundle, bundle.graph(), device)
    assert verify(bundle) == 0
    path.write_bytes(path.read_bytes().replace(b"}", b" }", 1))
    run = ["run", str(bundle.path), "--source", "synthetic", "--frames", "2", "--backend", "tensorrt"]
    capsys.readouterr()
    for command in (run, [*run, "--unverified"]):
        assert main(command) == 2
        assert "bytes that are not the" in capsys.readouterr().err


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


def test_the_more_bits_a_precision_has_the_more_is_demanded_of_it() -> None:
    order = (BuiltPrecision.FLOAT32, BuiltPrecision.FLOAT16, BuiltPrecision.INT8)
    assert set(order) == set(LEAST_COSINE) == set(MOST_ERROR) == set(BuiltPrecision)
    cosines, errors = [LEAST_COSINE[one] for one in order], [MOST_ERROR[one] for one in order]
    assert cosines == sorted(cosines, reverse=True) == [0.99999, 0.9999, 0.99]
    assert errors == sorted(errors) == [1e-3, 5e-2, 0.5]
