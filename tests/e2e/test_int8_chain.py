"""Quantize, lint, verify, bench, report: the INT8 chain as a user types it, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, update_bundle
from crystaledge.manifest.model import FileRole
from crystaledge_calibration.step_model import weighted_nodes
from tests.calibration.closed_loop_builders import changed
from tests.e2e.conftest import Cli, Finished, write_people

INT8 = "step-int8-tensorrt"
RECURRENT = "cell.weight_hh"
PLAIN = ("--calibrator", "minmax", "--no-equalize", "--no-bias-correction", "--no-search")
QUANTIZE = ("--target", "tensorrt", "--sequences", 8, "--steps", 16, *PLAIN)
VERIFY = ("--sequences", 12, "--horizon", 16)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def only_object(done: Finished) -> dict[str, Any]:
    """The one JSON object that a command printed."""
    found: dict[str, Any] = json.loads(done.out)
    assert isinstance(found, dict)
    return found


def kept_float(bundle: Path) -> tuple[str, ...]:
    """All weights but the recurrent product's: what a dozen sequences cannot tell from float."""
    opened = Bundle.open(bundle)
    nodes = weighted_nodes(onnx.load_from_string(opened.graph_bytes(opened.graph())))
    return tuple(word for node in nodes if node.weight != RECURRENT for word in ("--keep-float", node.weight))


@pytest.fixture
def bundle(embedded_bundle_path: Path, tmp_path: Path) -> Path:
    """A copy of the embedded bundle, alone in its folder."""
    return Path(shutil.copytree(embedded_bundle_path, tmp_path / "own" / "m.bundle"))


@pytest.fixture(scope="module")
def quantized(cli: Cli, embedded_bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded bundle with an int8 graph that nobody verified. Not to be written to."""
    path = Path(shutil.copytree(embedded_bundle_path, tmp_path_factory.mktemp("int8") / "m.bundle"))
    done = cli("quantize", path, *QUANTIZE, *kept_float(path), "--json")
    assert done.status == 0, done.err
    record = only_object(done)
    assert record["graph"] == INT8
    assert [n["weight"] for n in record["nodes"] if n["precision"] == "int8"] == [RECURRENT]
    return path


@pytest.fixture
def own(quantized: Path, tmp_path: Path) -> Path:
    """A quantized bundle to write to, alone in its folder."""
    return Path(shutil.copytree(quantized, tmp_path / "own" / "m.bundle"))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight drawn people with six images each."""
    return write_people(tmp_path_factory.mktemp("people"), people=8, images=6)


def run_int8(cli: Cli, bundle: Path) -> Finished:
    return cli("run", bundle, "--source", "synthetic", "--frames", 2, "--graph", INT8)


def refused(done: Finished, *words: str) -> None:
    assert done.is_one_line_of_bad_input(), (done.status, done.err)
    assert done.out == ""
    for word in words:
        assert word in done.err


def test_a_graph_runs_once_it_is_verified_and_the_chain_ends_in_a_report(cli: Cli, own: Path, tmp_path: Path) -> None:
    assert cli("lint", own, "--json").status == 0
    refused(run_int8(cli, own), "no verification is on record", "crystaledge verify")

    verified = cli("verify", own, *VERIFY, "--json")
    assert verified.status == 0, verified.err
    (record,) = only_object(verified)["graphs"]
    assert record["passed"] and record["graph"] == INT8
    assert record["checked_steps"] == [1, 2, 4, 8, 16]

    ran = run_int8(cli, own)
    assert ran.status == 0, ran.err
    assert len(ran.out.splitlines()) == 2

    benched = cli("bench", own, "--rounds", 100, "--json")
    assert benched.status == 0, benched.err
    assert {row["graph"] for row in only_object(benched)["rows"]} == {"step", INT8}
    choice = Bundle.open(own).manifest.choice
    assert choice is not None and choice.reason

    page = tmp_path / "m.html"
    reported = cli("report", own, "--out", page, "--json")
    assert reported.status == 0, reported.err
    only_object(reported)
    assert INT8 in page.read_text(encoding="utf-8")
    assert record["sentence"] in page.with_suffix(".json").read_text(encoding="utf-8")


def test_people_for_a_terminal_get_the_same_verdict_in_words(cli: Cli, own: Path) -> None:
    done = cli("verify", own, *VERIFY)
    assert done.status == 0, done.err
    assert done.out.startswith(f"{INT8} keeps its memory")
    assert "drawn faces are no real ones" in done.err


def with_swapped_gates(path: Path) -> Bundle:
    """The same bundle with the recurrent weight's reset and update rows exchanged, hashes and all."""
    bundle = Bundle.open(path)
    spec = bundle.graph(INT8)
    rows = np.r_[64:128, 0:64, 128:192]
    model = onnx.load_from_string(bundle.graph_bytes(spec))
    swapped = changed(model, (RECURRENT, "cell.bias_hh"), lambda name, value: value[rows])
    part = Part(spec.file, FileRole.GRAPH, swapped.SerializeToString(deterministic=True))
    return update_bundle(bundle, bundle.manifest, (part,))


def test_a_graph_that_fails_is_status_1_with_the_sentence_and_is_not_run(cli: Cli, own: Path) -> None:
    with_swapped_gates(own)
    done = cli("verify", own, *VERIFY, "--json")
    assert done.status == 1, done.err
    assert "Traceback" not in done.err
    (record,) = only_object(done)["graphs"]
    assert f"{INT8} fails at step " in record["sentence"]
    assert "'linear_3' of the node 'node_linear_3'" in record["sentence"]
    refused(run_int8(cli, own), record["sentence"], "--unverified")


def test_verifying_on_what_calibrated_is_refused_with_the_files(cli: Cli, bundle: Path, people: Path) -> None:
    assert cli("quantize", bundle, "--data", people, *QUANTIZE[:2], *PLAIN, "--sequences", 4, "--steps", 8).status == 0
    before = contents(bundle.parent)
    refused(cli("verify", bundle, "--data", people, "--horizon", 4), "24 of 48 files calibrated this graph", ".png")
    assert contents(bundle.parent) == before
    others = cli("verify", bundle, "--data", people, "--horizon", 4, "--leave-out-calibrated", "--json")
    assert others.status in (0, 1), others.err
    (record,) = only_object(others)["graphs"]
    assert record["verified_on"]["sequences"] == 4
    assert "person0" not in "".join(str(data) for data in contents(bundle).values())


def one_person(folder: Path) -> Path:
    return write_people(folder, people=1, images=6)


def two_images_each(folder: Path) -> Path:
    return write_people(folder, people=5, images=2)


def one_colour(folder: Path) -> Path:
    write_people(folder, people=4, images=4)
    cv2.imwrite(str(folder / "person02" / "3.png"), np.full((48, 48, 3), 90, np.uint8))
    return folder


@pytest.mark.parametrize("verb", ["quantize", "verify"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(one_person, ("1 of 1 sequences", "at least 2"), id="one person"),
        pytest.param(two_images_each, ("0 of 5 sequences", "distinct frames that the warm-up takes"), id="too short"),
        pytest.param(one_colour, ("person02/3.png is of one colour",), id="one colour"),
        pytest.param(lambda folder: folder / "nowhere", ("nowhere does not exist",), id="nothing there"),
    ],
)
def test_useless_sequences_are_refused_and_the_bundle_is_as_it_was(
    cli: Cli, own: Path, tmp_path: Path, verb: str, make: Any, words: tuple[str, ...]
) -> None:
    before = contents(own.parent)
    data = make(tmp_path / "data")
    options = ("--target", "tensorrt", "--force") if verb == "quantize" else ()
    refused(cli(verb, own, "--data", data, *options), *words)
    assert contents(own.parent) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("quantize", *QUANTIZE), ("has a graph for tensorrt already", "--force"), id="again"),
        pytest.param(("quantize", *QUANTIZE, "--graph", INT8), ("quantized already", "'step'"), id="int8 once more"),
        pytest.param(("quantize", *QUANTIZE, "--graph", "gait"), ("no graph 'gait'", INT8), id="quantize unknown"),
        pytest.param(("quantize", *QUANTIZE, "--force", "--keep-float", "x"), ("no node or weight 'x'",), id="node"),
        pytest.param(("verify", "--graph", "gait"), ("no graph 'gait'",), id="verify unknown"),
        pytest.param(("verify", "--graph", "step"), ("Nothing to verify", "float32"), id="verify float"),
        pytest.param(("lint", "--graph", "gait"), ("no graph 'gait'",), id="lint unknown"),
    ],
)
def test_the_wrong_graph_is_refused_and_the_bundle_is_as_it_was(
    cli: Cli, own: Path, arguments: tuple[object, ...], words: tuple[str, ...]
) -> None:
    before = contents(own.parent)
    verb, *options = arguments
    refused(cli(verb, own, *options), *words)
    assert contents(own.parent) == before


def test_a_bundle_without_a_quantized_graph_has_nothing_to_verify(cli: Cli, bundle: Path) -> None:
    before = contents(bundle.parent)
    refused(cli("verify", bundle), "has no quantized graph", "Quantize first")
    assert contents(bundle.parent) == before


def test_one_sequence_is_too_few_to_verify_on(cli: Cli, own: Path) -> None:
    refused(cli("verify", own, "--sequences", 1, "--horizon", 2))


def test_people_of_one_image_cannot_be_enrolled_and_probed(cli: Cli, own: Path, tmp_path: Path) -> None:
    data = write_people(tmp_path / "data", people=3, images=1)
    refused(cli("verify", own, "--data", data, "--warm-up", 1, "--horizon", 2))


def test_a_list_of_nobody_is_refused(cli: Cli, own: Path, people: Path, tmp_path: Path) -> None:
    nobody = tmp_path / "nobody.txt"
    nobody.write_text("0\n", encoding="utf-8")
    refused(cli("verify", own, "--data", people, "--people", nobody, "--horizon", 2))


def test_an_interrupted_quantize_leaves_the_bundle_as_it_was(own: Path) -> None:
    before = contents(own.parent)
    options = ("--target", "tensorrt", "--force", "--sequences", "4", "--steps", "100000")
    process = subprocess.Popen(
        [sys.executable, "-m", "crystaledge.cli.main", "quantize", str(own), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )
    assert process.stderr is not None
    assert "synthetic" in process.stderr.readline()  # said when the work begins; these rollouts take minutes
    time.sleep(1.5)
    assert process.poll() is None, "it ended before it could be interrupted"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == "" and "Traceback" not in err
    assert contents(own.parent) == before
    Bundle.open(own)
