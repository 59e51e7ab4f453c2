"""`crystaledge lint`, from the command line on."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from crystaledge.bundle_writer import Part, write_bundle
from crystaledge.cli.main import main
from crystaledge.files import sha256_of
from crystaledge.manifest.model import FileEntry, FileRole, GraphSpec, Target
from crystaledge_calibration.choices import LintTarget
from tests.calibration.lint import faults
from tests.calibration.lint.builders import clean_model, float_model, float_spec, int8_spec, spoiled
from tests.support.bundles import replace_graph, write_tiny_bundle
from tests.support.manifests import CARD, CARD_FILE, tiny_manifest

LINT_ALONE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("onnxruntime", "torch", "cv2"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
from crystaledge.cli.main import main
status = main(sys.argv[1:])
assert "onnx" in sys.modules
assert not {"onnxruntime", "torch", "cv2"} & set(sys.modules)
sys.exit(status)
"""


def written(folder: Path, *graphs: tuple[GraphSpec, onnx.ModelProto]) -> Path:
    """A bundle of these graphs."""
    files = [(replace(spec, file=f"graphs/{spec.name}.onnx"), m.SerializeToString()) for spec, m in graphs]
    parts = [Part(spec.file, FileRole.GRAPH, data) for spec, data in files]
    parts.append(Part(CARD_FILE, FileRole.MODEL_CARD, CARD))
    entries = tuple(FileEntry(path=p.path, sha256=sha256_of(p.data), role=p.role) for p in parts)
    manifest = replace(tiny_manifest(), graphs=tuple(spec for spec, _ in files), files=entries)
    return write_bundle(folder / "lint.bundle", manifest, tuple(parts), force=False).path


FLOAT = (float_spec(), float_model())
CPU_SPEC = replace(int8_spec(Target.CPU), name="step-int8-cpu")


@pytest.fixture
def three_graphs(tmp_path: Path) -> Path:
    """Float, INT8 for TensorRT, INT8 for the CPU; the last has an asymmetric activation, which only a CPU runs."""
    asymmetric = spoiled(faults.constant("face_zero", np.array(128, np.uint8)))
    return written(tmp_path, FLOAT, (int8_spec(), clean_model()), (CPU_SPEC, asymmetric))


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any]:
    """Exit status and data of `crystaledge lint ... --json`."""
    status = main(["lint", *map(str, arguments), "--json"])
    return status, json.loads(capsys.readouterr().out)


def judged_targets(data: Any) -> dict[str, list[str]]:
    """Targets by graph."""
    return {graph["graph"]: [target["target"] for target in graph["targets"]] for graph in data["graphs"]}


def test_each_graph_is_judged_for_what_it_was_made_for(three_graphs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, data = answer(capsys, three_graphs)
    everywhere = [target.value for target in LintTarget]
    assert judged_targets(data) == {"step": everywhere, "step-int8": everywhere[:-1], "step-int8-cpu": ["cpu"]}
    assert status == 0
    assert data["legal"] is True
    assert all(t["legal"] and t["findings"] == [] for graph in data["graphs"] for t in graph["targets"])


def test_asked_targets_leave_out_graphs_of_another_family(
    three_graphs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, data = answer(capsys, three_graphs, "--target", "jetpack-6.2", "jetpack-7.2", "jetpack-6.2")
    asked = ["jetpack-6.2", "jetpack-7.2"]
    assert judged_targets(data) == {"step": asked, "step-int8": asked, "step-int8-cpu": []}
    assert status == 0
    assert main(["lint", str(three_graphs), "--target", "jetpack-6.2"]) == 0
    assert "step-int8-cpu  not judged: it was made for cpu" in capsys.readouterr().out


def test_a_named_graph_is_judged_for_whatever_is_asked(three_graphs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, data = answer(capsys, three_graphs, "--graph", "step-int8-cpu", "--target", "jetpack-6.2", "cpu")
    assert judged_targets(data) == {"step-int8-cpu": ["jetpack-6.2", "cpu"]}
    assert status == 1
    on_jetpack, on_cpu = data["graphs"][0]["targets"]
    assert not on_jetpack["legal"] and on_cpu["legal"]
    assert {finding["rule"] for finding in on_jetpack["findings"]} == {"zero-point", "unsigned"}


def test_a_named_graph_without_target_is_judged_for_its_own(
    three_graphs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, data = answer(capsys, three_graphs, "--graph", "step-int8-cpu")
    assert judged_targets(data) == {"step-int8-cpu": ["cpu"]}


def test_the_text_tells_a_verdict_per_target_and_each_finding_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = written(tmp_path, FLOAT, (int8_spec(), spoiled(faults.scale("hidden", 1.0), faults.int8_stem)))
    status = main(["lint", str(bundle), "--graph", "step-int8", "--target", "jetpack-6.0", "jetpack-6.2"])
    out, err = capsys.readouterr()
    assert (status, err) == (1, "")
    assert out.splitlines() == [
        "step-int8  jetpack-6.0 (TensorRT 8.6): not legal, 1 error, 1 warning",
        "step-int8  jetpack-6.2 (TensorRT 10.3): not legal, 1 error",
        "",
        "step-int8: error state-scale, for every target",
        "  hidden_Q: Its scale for the state 'hidden' is exactly 1, what ONNX Runtime falls back to when it saw "
        "nothing but zeros.",
        "  cure: Calibrate on sequences in closed loop, with the float model's own states.",
        "",
        "step-int8: warning int8-constant, for jetpack-6.0",
        "  w_stem_DQ: It dequantizes weights stored as int8; TensorRT 8 documents float32 weights through Q and DQ.",
        "  cure: Quantize with AddQDQPairToWeight true.",
    ]


def test_many_places_of_one_fault_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = clean_model()
    for index in range(12):
        node = onnx.helper.make_node("Gelu", ["features"], [f"unused_{index}"], f"extra_{index}", domain="house")
        model.graph.node.append(node)
    bundle = written(tmp_path, FLOAT, (int8_spec(), model))
    assert main(["lint", str(bundle), "--graph", "step-int8", "--target", "jetpack-6.2"]) == 1
    assert "  extra_0, extra_1, extra_2, extra_3 and 8 more: Gelu is of the domain" in capsys.readouterr().out
    _, data = answer(capsys, bundle, "--graph", "step-int8", "--target", "jetpack-6.2")
    assert len(data["graphs"][0]["targets"][0]["findings"]) == 12


def test_many_messages_of_one_rule_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def ten_zero_points(model: onnx.ModelProto) -> None:
        for index, name in enumerate(sorted(_zero_points(model))[:10]):
            size = next(t for t in model.graph.initializer if t.name == name).dims
            faults.constant(name, np.full(tuple(size), index + 1, np.int8))(model)

    bundle = written(tmp_path, FLOAT, (int8_spec(), spoiled(ten_zero_points)))
    main(["lint", str(bundle), "--graph", "step-int8", "--target", "jetpack-6.2"])
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("  and ") and line.endswith(" more; --json lists them all") for line in lines)


def _zero_points(model: onnx.ModelProto) -> list[str]:
    return [t.name for t in model.graph.initializer if t.name.endswith("_zero")]


def test_warnings_alone_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = written(tmp_path, FLOAT, (int8_spec(), spoiled(faults.read("residual", 1, "stem_relu"))))
    assert main(["lint", str(bundle), "--target", "jetpack-6.2"]) == 0
    assert "step-int8  jetpack-6.2 (TensorRT 10.3): legal, 1 warning\n" in capsys.readouterr().out


def test_the_data_name_the_engine_and_the_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny.bundle").path
    status, data = answer(capsys, bundle, "--target", "jetpack-5.1")
    (graph,) = data["graphs"]
    (target,) = graph["targets"]
    assert (status, data["legal"], data["bundle"]) == (1, False, str(bundle))
    assert (graph["graph"], graph["precision"], graph["made_for"]) == ("step", "float32", None)
    findings = target.pop("findings")
    assert target == {
        "target": "jetpack-5.1",
        "engine": "TensorRT 8.5",
        "typing": "weak",
        "legal": False,
        "errors": 1,
        "warnings": 1,
    }
    assert [(f["rule"], f["severity"], f["where"]) for f in findings] == [
        ("opset", "error", "ReduceMean #1"),
        ("ir-version", "warning", "the file"),
    ]
    assert all(set(f) == {"rule", "severity", "where", "message", "cure"} for f in findings)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["nowhere.bundle"], "no readable manifest.json", id="no-bundle"),
        pytest.param(["BUNDLE", "--graph", "other"], "has no graph 'other'", id="no-graph"),
        pytest.param(["BUNDLE", "--target", "jetpack-9"], "'jetpack-9' is no target", id="no-target"),
        pytest.param(["BUNDLE", "--target"], "expected at least one argument", id="empty-target"),
    ],
)
def test_bad_input_is_one_line_and_status_two(
    three_graphs: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert main(["lint", *(a.replace("BUNDLE", str(three_graphs)) for a in arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1 and says in err


@pytest.mark.parametrize("data", [b"", b"\x08\x08"], ids=["empty", "no-graph"])
def test_a_file_that_is_no_graph_is_one_line_and_status_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny.bundle").path
    replace_graph(bundle, data)
    assert main(["lint", str(bundle)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1 and "step.float32.onnx is not a readable ONNX file" in err


def test_it_works_with_numpy_and_onnx_alone(three_graphs: Path) -> None:
    command = [sys.executable, "-c", LINT_ALONE, "lint", str(three_graphs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "step-int8  jetpack-7.2.2 (TensorRT 11.4): legal\n" in done.stdout
