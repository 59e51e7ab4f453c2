"""The doctor: what it says is what it has seen run; what crashes is an answer, not the doctor's end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
import pytest

from crystaledge.board import Board
from crystaledge.cli.main import main
from crystaledge.doctor import doctor, probe
from crystaledge.doctor.check import Check, Health
from crystaledge.doctor.cures import Part, cure_of
from crystaledge.doctor.doctor import Answer, ask, examine
from crystaledge.doctor.tiny_graph import TINY_GRAPH
from crystaledge.engine.trt.cuda_python import CudaPython
from crystaledge.errors import CrystalEdgeError, DeviceError, MissingExtraError
from tests.support.fake_cuda import FakeDriver

ORIN = Board(model="NVIDIA Jetson Orin Nano", l4t="36.4.3", jetpack="6.2")
THOR = Board(model="NVIDIA Jetson AGX Thor", l4t="38.2.0", jetpack="7.0")
DESKTOP = Board(model="PC", l4t="none", jetpack="none")


def by_name(checks: tuple[Check, ...]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def answering(monkeypatch: pytest.MonkeyPatch, told: Answer) -> None:
    monkeypatch.setattr(doctor, "ask", lambda thing: told)


def test_the_tiny_graph_doubles() -> None:
    model = onnx.load_from_string(TINY_GRAPH)
    onnx.checker.check_model(model, full_check=True)
    (node,) = model.graph.node
    assert (node.op_type, list(node.input)) == ("Add", ["x", "x"])


def test_on_this_machine_onnxruntime_is_proven() -> None:
    found = by_name(examine())
    assert found["onnxruntime"].health is Health.WORKS
    assert found["python"].detail.startswith(f"{sys.version_info.major}.{sys.version_info.minor}")


def test_where_there_is_no_device_the_answer_is_not_run_and_no_crash() -> None:
    try:
        CudaPython()
    except CrystalEdgeError:
        for thing in ("cuda", "tensorrt-rtx"):
            told = ask(thing)
            assert told.health is Health.NOT_RUN and told.part is Part.DRIVER
            assert told.detail.startswith("no CUDA device: No CUDA driver can be loaded")
    else:
        pytest.skip("there is a CUDA device here; it is tried in test_device.py")


@pytest.mark.parametrize(
    "told",
    [
        Answer(health=Health.WORKS, detail="ran"),
        Answer(health=Health.MISSING, detail="not installed", part=Part.TENSORRT),
        Answer(health=Health.MISSING, detail="no bindings", part=Part.CUDA_BINDINGS),
        Answer(health=Health.NOT_RUN, detail="no CUDA device", part=Part.DRIVER),
        Answer(health=Health.BROKEN, detail="crashed its process with SIGSEGV"),
    ],
    ids=lambda told: told.detail,
)
def test_a_probe_is_taken_at_its_word(monkeypatch: pytest.MonkeyPatch, told: Answer) -> None:
    answering(monkeypatch, told)
    check = by_name(examine())["tensorrt"]
    assert check.health is told.health and check.detail == told.detail
    assert check.cure == ("" if told.part is None else cure_of(told.part, DESKTOP))


def test_a_probe_that_crashes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    crash = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"]
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **rest: run(crash, **rest))
    told = ask("tensorrt")
    assert told == Answer(health=Health.BROKEN, detail="crashed its process with SIGSEGV when it was tried")


@pytest.mark.parametrize("program", ["print('no json')", "raise SystemExit('bad luck')", "print('{}')"])
def test_a_probe_that_says_nothing_sensible_could_not_be_tried(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **rest: run([sys.executable, "-c", program], **rest))
    assert ask("cuda").detail.startswith("could not be tried: ")


def test_bytes_that_come_back_changed_are_seen() -> None:
    driver = FakeDriver()
    assert "bytes went there and back" in probe.probe_cuda(CudaPython(driver=driver))
    assert driver.live == {"device": 0, "host": 0, "streams": 0, "graphs": 0}
    copy = driver.cuMemcpyDtoDAsync
    driver.cuMemcpyDtoDAsync = lambda target, source, nbytes, stream: copy(target, target, nbytes, stream)  # type: ignore[method-assign]
    with pytest.raises(CrystalEdgeError, match="came back from the device changed"):
        probe.probe_cuda(CudaPython(driver=driver))


def test_a_device_that_fails_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        msg = "CUDA's cuInit failed."
        raise DeviceError(msg)

    monkeypatch.setattr(probe, "open_cuda", broken)
    monkeypatch.setattr(probe, "load_module", lambda flavour: SimpleNamespace(__version__="10.3.0"))
    told = probe.answer("tensorrt")
    assert told == {"health": "not run", "part": "driver", "detail": "no CUDA device: CUDA's cuInit failed."}


def test_missing_bindings_are_what_is_missing_and_not_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking() -> Any:
        msg = "cuda-bindings is not installed"
        raise MissingExtraError(msg)

    monkeypatch.setattr(probe, "open_cuda", lacking)
    monkeypatch.setattr(probe, "load_module", lambda flavour: SimpleNamespace(__version__="10.3.0"))
    for thing in ("cuda", "tensorrt"):
        assert probe.answer(thing) == {
            "health": "missing",
            "part": "cuda-bindings",
            "detail": "cuda-bindings is not installed",
        }


@pytest.mark.parametrize("part", Part)
@pytest.mark.parametrize("board", [ORIN, THOR, DESKTOP], ids=lambda board: board.model)
def test_everything_that_can_be_missing_has_a_cure(part: Part, board: Board) -> None:
    assert cure_of(part, board)


def test_the_cure_suits_the_board() -> None:
    assert cure_of(Part.TENSORRT, ORIN) == "sudo apt install python3-libnvinfer"
    assert cure_of(Part.TENSORRT, DESKTOP) == "pip install tensorrt"
    assert "<13" in cure_of(Part.CUDA_BINDINGS, ORIN) and ">=13" in cure_of(Part.CUDA_BINDINGS, THOR)


def test_a_jetson_is_told_that_its_environment_hides_tensorrt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nv_tegra_release").write_text("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic\n")
    answering(monkeypatch, Answer(health=Health.MISSING, detail="not installed", part=Part.TENSORRT))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    found = by_name(examine(tmp_path))
    assert "L4T 36.4.3, JetPack 6.2" in found["board"].detail
    assert found["python"].health is Health.BROKEN and "--system-site-packages" in found["python"].cure
    assert found["tensorrt"].cure == "sudo apt install python3-libnvinfer"
    (tmp_path / "pyvenv.cfg").write_text("include-system-site-packages = true\n")
    assert by_name(examine(tmp_path))["python"].health is Health.FACT


def test_the_command_says_no_where_nothing_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["engines"] == ["onnxruntime"]
    monkeypatch.setattr(doctor, "TINY_GRAPH", b"broken")
    answering(monkeypatch, Answer(health=Health.MISSING, detail="not installed", part=Part.TENSORRT))
    assert main(["doctor"]) == 1
    assert "engines that run here: none" in capsys.readouterr().out
