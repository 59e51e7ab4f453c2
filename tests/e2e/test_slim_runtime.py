"""The promise to devices: the wheel, numpy and ONNX Runtime on Python 3.10, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.extras import NEEDS_NOTHING, may_need

ROOT = Path(__file__).parents[2]
SLIM_RUNTIME_MODULES = """
import importlib, json, pkgutil, sys
import crystaledge
missing = {}
for module in pkgutil.walk_packages(crystaledge.__path__, "crystaledge."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        missing[module.name] = error.name.split(".")[0]
forbidden = {"torch", "onnx", "cv2", "scipy", "lightning", "matplotlib", "tensorrt", "cuda", "pycuda"}
assert not forbidden & set(sys.modules), forbidden & set(sys.modules)
print(json.dumps(missing))
"""
PHANTOM_GRAPHS = (*(f"detect_{side}x{side}" for side in (128, 64, 32, 80, 48)), "track")
ONE_IDENTITY = """
import json, re, sys
from crystaledge import Bundle, Pipeline
from crystaledge.scene.scene import SceneConfig, SyntheticSource
with Pipeline.open(sys.argv[1]) as pipeline:
    frames = iter(SyntheticSource(SceneConfig()))
    events = [event for frame, _ in zip(frames, range(40)) for event in pipeline.process(frame)]
assert "torch" not in sys.modules and "onnx" not in sys.modules
# getrusage would report what the parent had before exec; the high-water mark is this program's own.
peak_kb = int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
print(json.dumps({"events": len(events), "peak_mb": peak_kb / 1024}))
"""


def find_python310() -> str | None:
    """A Python 3.10, from PATH or pyenv."""
    candidates = [shutil.which("python3.10"), *map(str, Path.home().glob(".pyenv/versions/3.10*/bin/python3.10"))]
    for candidate in filter(None, candidates):
        done = subprocess.run([candidate, "-c", "import venv"], capture_output=True, check=False)
        if done.returncode == 0:
            return candidate
    return None


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built from this checkout."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def slim_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python 3.10 with the wheel and its extra `onnxruntime`, and nothing else."""
    base = find_python310()
    if base is None:
        pytest.skip("no Python 3.10 on PATH or under ~/.pyenv")
    folder = tmp_path_factory.mktemp("slim") / "venv"
    subprocess.run([base, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", f"{wheel}[onnxruntime]"]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"packages for Python 3.10 cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    return python


def run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run([str(python), *arguments], capture_output=True, text=True, check=False, env=environment)


def test_wheel_holds_the_five_packages_and_no_stray_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    rooms = {"crystaledge_training", "crystaledge_export", "crystaledge_calibration", "crystaledge_benchmarks"}
    assert tops == {"crystaledge", "crystaledge-0.1.0.dist-info", *rooms}
    assert {f"{room}/py.typed" for room in ("crystaledge", *rooms)} <= set(names)
    data = {name for name in names if not name.endswith((".py", "py.typed")) and "dist-info" not in name}
    assert data == {
        "crystaledge/manifest/schema.json",
        "crystaledge_training/weights/mnemosyne.MODEL_CARD.md",
        "crystaledge_training/weights/mnemosyne.RESULTS.md",
        "crystaledge_training/weights/mnemosyne.safetensors",
        "crystaledge_training/weights/mnemosyne.int8.safetensors",
        "crystaledge_training/weights/mnemosyne.wide.MODEL_CARD.md",
        "crystaledge_training/weights/mnemosyne.wide.RESULTS.md",
        "crystaledge_training/weights/mnemosyne.wide.safetensors",
        "crystaledge_training/weights/phantom.MODEL_CARD.md",
        "crystaledge_training/weights/phantom.safetensors",
        "crystaledge_benchmarks/templates/demo.html.j2",
        "crystaledge_benchmarks/templates/report.css.j2",
        "crystaledge_benchmarks/templates/report.html.j2",
        "crystaledge_benchmarks/assets/mnemosyne/MODEL_CARD.md",
        "crystaledge_benchmarks/assets/mnemosyne/golden/step.npz",
        "crystaledge_benchmarks/assets/mnemosyne/graphs/step.float32.onnx",
        "crystaledge_benchmarks/assets/mnemosyne/manifest.json",
        "crystaledge_benchmarks/assets/mnemosyne/trained/step.safetensors",
        "crystaledge_benchmarks/assets/phantom/MODEL_CARD.md",
        "crystaledge_benchmarks/assets/phantom/manifest.json",
        *(f"crystaledge_benchmarks/assets/phantom/golden/{graph}.npz" for graph in PHANTOM_GRAPHS),
        *(f"crystaledge_benchmarks/assets/phantom/graphs/{graph}.float32.onnx" for graph in PHANTOM_GRAPHS),
    }


def test_every_runtime_module_imports_without_torch_or_onnx(slim_python: Path) -> None:
    done = run(slim_python, "-c", SLIM_RUNTIME_MODULES)
    assert done.returncode == 0, done.stderr
    missing: dict[str, str] = json.loads(done.stdout)
    assert [name for name, package in missing.items() if package not in may_need(name)] == []
    assert not NEEDS_NOTHING & set(missing)


def test_a_bundle_runs_slim_within_80_mb(slim_python: Path, bundle_path: Path) -> None:
    done = run(slim_python, "-c", ONE_IDENTITY, str(bundle_path))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["events"] == 40
    assert found["peak_mb"] <= 80


def test_all_verbs_are_listed_and_the_missing_extra_is_named(slim_python: Path, tmp_path: Path) -> None:
    command = slim_python.parent / "crystaledge"
    listed = subprocess.run([command, "--help"], capture_output=True, text=True, check=True).stdout
    for verb in (
        "systems",
        "train",
        "evaluate",
        "export",
        "quantize",
        "lint",
        "verify",
        "bench",
        "report",
        "run",
        "demo",
    ):
        assert f"    {verb} " in listed
    arguments = ["train", "mnemosyne", "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'crystaledge[train]'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_images_need_the_extra_vision(slim_python: Path, bundle_path: Path, tmp_path: Path) -> None:
    done = run(slim_python, "-m", "crystaledge.cli.main", "run", str(bundle_path), "--source", str(tmp_path))
    assert done.returncode == 2
    assert "pip install 'crystaledge[vision]'" in done.stderr
