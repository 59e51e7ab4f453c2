"""`crystaledge build` as a user types it, with the real TensorRT-RTX, which builds without a GPU."""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, update_bundle
from crystaledge.files import sha256_of
from crystaledge.manifest.model import FileRole, Precision, Target
from tests.calibration.builders import contents_of
from tests.e2e.conftest import Cli, Finished

RTX = ("--backend", "tensorrt-rtx")
FLOAT32, FLOAT16 = "step.float32.tensorrt-rtx", "step.float16.tensorrt-rtx"
ON_CPU = "step-int8-cpu"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="not run: tensorrt_rtx is not installed"
)


@pytest.fixture
def bundle(embedded_bundle_path: Path, tmp_path: Path) -> Path:
    """A copy of the embedded bundle, alone in its folder."""
    return Path(shutil.copytree(embedded_bundle_path, tmp_path / "own" / "m.bundle"))


@pytest.fixture(scope="module")
def built(cli: Cli, embedded_bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle whose float32 engine is built. Not to be written to."""
    path = Path(shutil.copytree(embedded_bundle_path, tmp_path_factory.mktemp("built") / "m.bundle"))
    done = cli("build", path, *RTX, "--precision", "float32")
    assert done.status == 0, done.err
    return path.parent


@pytest.fixture
def own(built: Path, tmp_path: Path) -> Path:
    """A bundle with a built engine beside it, to write to."""
    return Path(shutil.copytree(built, tmp_path / "own")) / "m.bundle"


def engines(done: Finished) -> list[dict[str, Any]]:
    """What the one JSON object on stdout says of the engines."""
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert list(found) == ["engines"]
    return list(found["engines"])


def with_graph_of_the_cpu(path: Path) -> None:
    """A second graph in the bundle, laid out for ONNX Runtime."""
    bundle = Bundle.open(path)
    graph = bundle.graph()
    on_cpu = replace(
        graph, name=ON_CPU, file="graphs/cpu.onnx", precision=Precision.INT8, target=Target.CPU, derived_from=graph.name
    )
    manifest = replace(bundle.manifest, graphs=(graph, on_cpu))
    update_bundle(bundle, manifest, (Part(on_cpu.file, FileRole.GRAPH, bundle.graph_bytes(graph)),))


def with_other_graph(path: Path, *, operator: str | None = None) -> None:
    """The bundle's graph as another file: with a comment in it, or with its Tanh as another operator."""
    bundle = Bundle.open(path)
    model = onnx.load_from_string(bundle.graph_bytes(bundle.graph()))
    model.doc_string = "another file"
    for node in model.graph.node:
        if operator is not None and node.op_type == "Tanh":
            node.op_type = operator
    part = Part(bundle.graph().file, FileRole.GRAPH, model.SerializeToString(deterministic=True))
    update_bundle(bundle, bundle.manifest, (part,))


def test_a_bundle_is_built_in_every_precision_that_it_gives(cli: Cli, bundle: Path) -> None:
    before = contents_of(bundle)
    found = engines(cli("build", bundle, *RTX, "--json"))
    folder = bundle.parent / "m.bundle.engines"
    assert {Path(engine["path"]).name for engine in found} == {f"{FLOAT32}.engine", f"{FLOAT16}.engine"}
    for engine in found:
        path = Path(engine["path"])
        assert path.parent == folder and engine["fresh"] and engine["reasons"] == []
        assert engine["sidecar"] == json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        assert engine["sidecar"]["engine_sha256"] == sha256_of(path.read_bytes())
        assert engine["sidecar"]["fingerprint"]["profiles"] == [1, 2, 4, 8, 16, 32, 64]
    assert len(list(folder.iterdir())) == 4
    assert contents_of(bundle) == before


def test_the_second_run_is_up_to_date_and_force_is_not(cli: Cli, own: Path) -> None:
    before = contents_of(own.parent)
    done = cli("build", own, *RTX, "--precision", "float32")
    assert done.status == 0 and "up to date" in done.out and FLOAT32 in done.out
    assert contents_of(own.parent) == before
    (again,) = engines(cli("build", own, *RTX, "--precision", "float32", "--force", "--json"))
    assert again["fresh"] and again["reasons"] == []


def test_engines_lie_where_they_are_wanted(cli: Cli, bundle: Path, tmp_path: Path) -> None:
    done = cli("build", bundle, *RTX, "--graph", "step", "--precision", "float16", "--out", tmp_path / "there")
    assert done.status == 0, done.err
    assert "buckets 1, 2, 4, 8, 16, 32, 64" in done.out
    assert {path.name for path in (tmp_path / "there").iterdir()} == {f"{FLOAT16}.engine", f"{FLOAT16}.json"}
    assert list(bundle.parent.iterdir()) == [bundle]


def test_a_changed_graph_is_explained_and_built_again(cli: Cli, own: Path) -> None:
    with_other_graph(own)
    done = cli("build", own, *RTX, "--precision", "float32")
    assert done.status == 0, done.err
    assert "built again: the bundle's ONNX file is another one than it was built from" in done.out
    (again,) = engines(cli("build", own, *RTX, "--precision", "float32", "--json"))
    assert not again["fresh"]
    assert again["sidecar"]["fingerprint"]["onnx_sha256"] == sha256_of((own / "graphs/step.float32.onnx").read_bytes())


def test_an_engine_that_was_cut_off_is_built_again(cli: Cli, own: Path) -> None:
    engine = own.parent / "m.bundle.engines" / f"{FLOAT32}.engine"
    engine.write_bytes(engine.read_bytes()[:1000])
    (again,) = engines(cli("build", own, *RTX, "--precision", "float32", "--json"))
    assert again["fresh"] and again["reasons"] == ["the file is not what its sidecar says"]
    assert len(engine.read_bytes()) == again["sidecar"]["engine_bytes"] > 1000


def test_a_graph_that_is_not_taken_is_status_1_with_one_line(cli: Cli, own: Path) -> None:
    with_other_graph(own, operator="Det")
    before = contents_of(own.parent)
    done = cli("build", own, *RTX, "--precision", "float32")
    assert done.status == 1
    assert done.out == ""
    (line,) = done.err.strip().splitlines()
    assert line.startswith("crystaledge: ")
    assert "(Det): the operator is not supported" in line and "node 'node_tanh" in line
    assert contents_of(own.parent) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param((*RTX, "--graph", ON_CPU), (ON_CPU, "ONNX Runtime's CPU kernels"), id="graph of the CPU"),
        pytest.param((*RTX, "--graph", "gait"), ("no graph 'gait'",), id="unknown graph"),
        pytest.param((*RTX, "--precision", "int8"), ("gives an engine in int8",), id="precision that is not there"),
        pytest.param((*RTX, "--precision", "int4"), ("int4", "float16"), id="unknown precision"),
        pytest.param(("--backend", "onnxruntime"), ("onnxruntime", "tensorrt-rtx"), id="unknown backend"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    cli: Cli, bundle: Path, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    with_graph_of_the_cpu(bundle)
    before = contents_of(bundle.parent)
    done = cli("build", bundle, *options)
    assert done.is_one_line_of_bad_input(), (done.status, done.err)
    assert done.out == ""
    for word in words:
        assert word in done.err
    assert contents_of(bundle.parent) == before


@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is not None, reason="not run: TensorRT is installed here")
def test_standard_tensorrt_that_is_missing_is_one_line_with_the_cure(cli: Cli, bundle: Path) -> None:
    done = cli("build", bundle)
    assert done.is_one_line_of_bad_input(), (done.status, done.err)
    (line,) = done.err.strip().splitlines()
    assert "needs TensorRT's Python package" in line
    assert "sudo apt install python3-libnvinfer" in line and "pip install tensorrt" in line
    assert list(bundle.parent.iterdir()) == [bundle]
