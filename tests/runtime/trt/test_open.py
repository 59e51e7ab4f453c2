"""From a bundle to its engine on this device: what does not fit is refused in one line that says what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import crystaledge.engine.trt.cuda_python as cuda_python
import crystaledge.engine.trt.flavour as flavour
import crystaledge.engine.trt.open as opening
from crystaledge.cli.main import main
from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine
from crystaledge.engine.select import Backend, EngineOptions, EngineRequest, open_engine
from crystaledge.engine.trt.built import built_precision
from crystaledge.engine.trt.cuda import HostMemory
from crystaledge.engine.trt.engine import TensorRtEngine
from crystaledge.engine.trt.flavour import Flavour
from crystaledge.engine.trt.open import open_cuda
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.errors import BundleError, CrystalEdgeError, DeviceError, EngineError, MissingExtraError
from crystaledge.files import sha256_of
from crystaledge.manifest.model import Precision
from tests.runtime.trt.installed import Installed, install
from tests.support.engine_contract import example_feeds
from tests.support.fake_cuda import FakeDriver
from tests.support.fake_tensorrt import Generation
from tests.support.manifests import tiny_graph_spec
from tests.support.messages import message_of
from tests.support.step_graphs import tiny_step_bytes


def opened(installed: Installed, options: EngineOptions | None = None) -> TensorRtEngine:
    """The engine of the bundle's only graph."""
    engine = open_engine(installed.bundle, installed.bundle.graph(), options or installed.options)
    assert isinstance(engine, TensorRtEngine)
    return engine


def refusal(installed: Installed, kind: type[CrystalEdgeError]) -> str:
    """What is said when the engine is opened; nothing of it may stay on the device."""
    with pytest.raises(kind) as raised:
        opened(installed)
    assert not any(installed.driver.live.values())
    return message_of(raised)


@pytest.mark.parametrize("generation", Generation, ids=lambda generation: generation.value)
def test_an_engine_that_fits_gives_what_onnxruntime_gives(
    generation: Generation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened(install(tmp_path, monkeypatch, generation=generation))
    expected = OnnxRuntimeEngine(tiny_graph_spec(), tiny_step_bytes()).run(example_feeds(4))
    for name, values in engine.run(example_feeds(4)).items():
        assert (values == expected[name]).all()
    assert engine.name == ("tensorrt-rtx" if generation is Generation.RTX_1_7 else "tensorrt")
    engine.close()


def test_the_folder_of_the_engines_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = install(tmp_path, monkeypatch)
    elsewhere = installed.engine.parent.rename(tmp_path / "elsewhere")
    opened(installed, replace(installed.options, engines=elsewhere)).close()
    assert f"There is no engine {installed.engine}; build it here with" in refusal(installed, BundleError)


@pytest.mark.parametrize(
    ("integrated", "policy", "expected"),
    [
        (False, None, HostMemory.DEVICE),
        (True, None, HostMemory.MAPPED),
        (True, HostMemory.DEVICE, HostMemory.DEVICE),
        (False, HostMemory.MAPPED, HostMemory.MAPPED),
    ],
)
def test_memory_is_mapped_where_the_board_shares_it_unless_told_otherwise(
    integrated: bool,
    policy: HostMemory | None,
    expected: HostMemory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed = install(tmp_path, monkeypatch, driver=FakeDriver(integrated=integrated))
    engine = opened(installed, replace(installed.options, host_memory=policy))
    engine.run(example_feeds(2))
    assert bool(installed.driver.mapped) == (expected is HostMemory.MAPPED)
    engine.close()


@pytest.mark.parametrize(
    ("built", "expected"),
    [
        pytest.param(
            {"tensorrt": "8.6.1"}, "TensorRT was 8.6.1 when it was built and is 10.3.0 here", id="another-version"
        ),
        pytest.param(
            {"device": "Orin Nano"}, "the device was Orin Nano when it was built and is Fake Orin", id="another-device"
        ),
        pytest.param(
            {"compute_capability": "7.2"}, "the compute capability was 7.2 when it was built and is 8.7", id="other-sm"
        ),
        pytest.param({"driver": "11.4"}, "the driver's CUDA was 11.4 when it was built and is 12.6", id="other-driver"),
        pytest.param({"l4t": "36.4.3"}, "L4T) was 36.4.3 when it was built and is none here", id="other-l4t"),
        pytest.param({"profiles": (1, 8)}, "track buckets was 1, 8 when it was built and is 1, 2, 4", id="buckets"),
        pytest.param(
            {"onnx_sha256": sha256_of(b"other")}, "ONNX file is another one than it was built from", id="another-model"
        ),
        pytest.param({"precision": BuiltPrecision.INT8}, "its precision was int8 when it was built", id="precision"),
        pytest.param({"backend": Flavour.TENSORRT_RTX}, "its backend was tensorrt-rtx when", id="another-backend"),
        pytest.param({"graph": "leap"}, "its graph was leap when it was built and is step here", id="another-graph"),
    ],
)
def test_an_engine_that_was_built_for_something_else_is_refused(
    built: dict[str, Any], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = refusal(install(tmp_path, monkeypatch, built=built), BundleError)
    assert expected in message
    assert message.endswith("Run `crystaledge build` to build it again.")


def test_every_difference_is_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = refusal(install(tmp_path, monkeypatch, built={"tensorrt": "8.6.1", "device": "Orin Nano"}), BundleError)
    assert "TensorRT was 8.6.1" in message and "; the device was Orin Nano" in message


@pytest.mark.parametrize("built", [{"flags": ("FP16",)}, {"flags": ()}, {"rules": 7}], ids=["others", "none", "rules"])
def test_what_concerns_the_builder_alone_is_no_reason_to_build_again(
    built: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(install(tmp_path, monkeypatch, built=built)).close()


def test_an_engine_of_rtx_belongs_to_no_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = install(tmp_path, monkeypatch, generation=Generation.RTX_1_7)
    assert json.loads(installed.sidecar.read_text())["fingerprint"]["device"] == "any"
    installed.driver.device_name = "RTX of somebody else"
    opened(installed).close()


def _cut_off(engine: Path) -> None:
    engine.write_bytes(engine.read_bytes()[:-7])


def _one_byte_changed(engine: Path) -> None:
    data = bytearray(engine.read_bytes())
    data[len(data) // 2] ^= 1
    engine.write_bytes(data)


def _emptied(engine: Path) -> None:
    engine.write_bytes(b"")


@pytest.mark.parametrize("spoil", [_cut_off, _one_byte_changed, _emptied], ids=["cut-off", "changed", "empty"])
def test_a_damaged_engine_is_refused(
    spoil: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = install(tmp_path, monkeypatch)
    spoil(installed.engine)
    message = refusal(installed, BundleError)
    assert f"{installed.engine} has {len(installed.engine.read_bytes())} bytes that are not the" in message
    assert message.endswith("build it again.")


def test_an_engine_that_tensorrt_refuses_is_the_engines_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = install(tmp_path, monkeypatch)
    junk, sidecar = b"no engine at all", json.loads(installed.sidecar.read_text())
    installed.engine.write_bytes(junk)
    installed.sidecar.write_text(json.dumps({**sidecar, "engine_sha256": sha256_of(junk), "engine_bytes": len(junk)}))
    message = refusal(installed, EngineError)
    assert message == (
        "TensorRT 10.3.0 refuses the engine file: Serialization assertion header.magicTag == kEXPECTED_MAGIC_TAG "
        "failed.; build it again."
    )


def test_a_missing_sidecar_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = install(tmp_path, monkeypatch)
    installed.sidecar.unlink()
    assert f"has no readable {installed.sidecar.name} beside it" in refusal(installed, BundleError)


def test_a_refused_engine_lets_go_of_the_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = install(tmp_path, monkeypatch, built={"tensorrt": "8.6.1"})
    with pytest.raises(BundleError):
        opened(installed)
    assert installed.driver.retained == 0


def test_the_precision_is_the_graphs_own_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = tiny_graph_spec()
    assert built_precision(graph) is BuiltPrecision.FLOAT32
    assert built_precision(replace(graph, precision=Precision.INT8)) is BuiltPrecision.INT8
    installed = install(tmp_path, monkeypatch)
    with pytest.raises(BundleError) as raised:
        opened(installed, replace(installed.options, precision=BuiltPrecision.FLOAT16))
    assert "step.float16.tensorrt.engine; build it here" in message_of(raised)


def has_driver() -> bool:
    """Whether this machine has a CUDA driver."""
    try:
        open_cuda().close()
    except DeviceError as error:
        assert str(error).startswith("No CUDA driver can be loaded (")
        return False
    return True


def test_a_run_without_a_driver_ends_in_one_line(
    tiny_bundle_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorRT-RTX and the CUDA bindings are really there; only the driver is not, here or by the test's doing."""

    def none(ordinal: int = 0) -> None:
        msg = "No CUDA driver can be loaded (nothing found); install NVIDIA's driver."
        raise DeviceError(msg)

    if has_driver():
        monkeypatch.setattr(opening, "CudaPython", none)
    words = ["run", str(tiny_bundle_path), "--source", "synthetic", "--frames", "1", "--unverified"]
    assert main([*words, "--backend", "tensorrt-rtx"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1 and "No CUDA driver can be loaded (" in err


def test_without_any_bindings_the_doctor_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(cuda_python, "import_module", nothing)
    with pytest.raises(MissingExtraError) as raised:  # pycuda is not installed either
        open_cuda()
    assert "'cuda-bindings'" in message_of(raised) and "`crystaledge doctor` names it" in message_of(raised)


def test_without_tensorrt_its_source_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(flavour, "import_module", nothing)
    request = EngineRequest(
        bundle=tmp_path,
        graph=tiny_graph_spec(),
        model=tiny_step_bytes(),
        options=EngineOptions(backend=Backend.TENSORRT),
    )
    with pytest.raises(MissingExtraError) as raised:
        opening.open_tensorrt(request)
    assert "python3-libnvinfer" in message_of(raised) and "--system-site-packages" in message_of(raised)


def test_a_tensorrt_that_cannot_be_loaded_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        msg = "libnvinfer.so.10: cannot open shared object file"
        raise ImportError(msg)

    monkeypatch.setattr(flavour, "import_module", broken)
    with pytest.raises(MissingExtraError) as raised:
        flavour.load_module(Flavour.TENSORRT)
    assert "tensorrt cannot be loaded (libnvinfer.so.10: cannot open" in message_of(raised)
