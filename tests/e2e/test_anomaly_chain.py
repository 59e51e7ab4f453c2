"""Anomalies as a user finds them: train, evaluate, export, lint, quantize, verify, bench, report, run; both systems."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import pytest

from tests.e2e.conftest import Cli, Finished
from tests.support.drawn_parts import part, write_parts

SIZE = ("--size", "64,64")
SYSTEMS = {"patchcore": (), "student_teacher": ("--epochs", 12)}


def only_object(done: Finished) -> dict[str, Any]:
    """The one JSON object that a command printed."""
    found: dict[str, Any] = json.loads(done.out)
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn production line."""
    return write_parts(tmp_path_factory.mktemp("line") / "parts")


@pytest.fixture(scope="module", params=list(SYSTEMS))
def trained(request: pytest.FixtureRequest, cli: Cli, parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder; its name is the system's."""
    out = tmp_path_factory.mktemp("runs") / str(request.param)
    done = cli("train", request.param, "--data", parts, "--out", out, *SIZE, *SYSTEMS[request.param], "--threads", 1)
    assert done.status == 0, done.err
    return out


@pytest.fixture(scope="module")
def exported(cli: Cli, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of that run. Not to be written to."""
    bundle = tmp_path_factory.mktemp("bundles") / f"{trained.name}.bundle"
    done = cli("export", trained.name, "--checkpoint", trained / "best.safetensors", "--out", bundle)
    assert done.status == 0, done.err
    return bundle


@pytest.fixture
def own(exported: Path, tmp_path: Path) -> Path:
    """A bundle to write to."""
    return Path(shutil.copytree(exported, tmp_path / exported.name))


def test_scratches_are_found(cli: Cli, trained: Path, parts: Path, tmp_path: Path) -> None:
    report = tmp_path / "report"
    done = cli(
        "evaluate",
        trained.name,
        "--checkpoint",
        trained / "best.safetensors",
        "--data",
        parts,
        "--out",
        report,
        "--json",
    )
    assert done.status == 0, done.err
    evaluation = only_object(done)["evaluation"]
    assert evaluation["images"]["auroc"]["value"] >= 0.95
    written = {path.name for path in report.iterdir()}
    assert {"report.md", "report.json"} < written
    assert any(name.endswith(".png") for name in written)


def test_run_says_what_is_normal_and_where_it_is_not(cli: Cli, exported: Path, parts: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    done = cli("run", exported, "--source", parts / "test", "--overlays", pictures)
    assert done.status == 0, done.err
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [event["sequence"] for event in events] == ["good"] * 8 + ["scratch"] * 8
    assert all(0.0 <= event["score"] <= 1.0 for event in events)
    assert all((event["score"] >= 0.5) == (event["verdict"] == "anomalous") for event in events)
    found = [event for event in events if event["sequence"] == "scratch" and event["verdict"] == "anomalous"]
    assert len(found) >= 7
    assert sum(event["verdict"] == "anomalous" for event in events[:8]) <= 2
    hits = 0
    for event in found:
        x1, y1, x2, y2 = event["region_xyxy"]
        mask = cv2.imread(
            str(parts / "ground_truth/scratch" / f"{event['frame'] - 8:03d}_mask.png"), cv2.IMREAD_GRAYSCALE
        )
        assert mask is not None
        hits += bool(mask[int(y1) : int(y2), int(x1) : int(x2)].any())
    assert hits >= len(found) - 1
    assert len(list(pictures.glob("*.png"))) == 16


def test_a_line_that_stands_still_costs_no_second_look(cli: Cli, exported: Path, tmp_path: Path) -> None:
    for number in range(6):
        tmp_path.mkdir(exist_ok=True)
        (tmp_path / "film").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "film" / f"{number}.png"), part(number // 3))
    done = cli("run", exported, "--source", tmp_path / "film", "--hold-still", "--json")
    assert done.status == 0, done.err
    assert [event["held"] for event in only_object(done)["events"]] == [False, True, True] * 2


@pytest.mark.parametrize("target", ["tensorrt", "cpu"])
def test_int8_passes_the_gate_or_says_why_not(cli: Cli, own: Path, parts: Path, target: str) -> None:
    quick = ("--sequences", 16, "--no-search", "--calibrator", "mse", "--no-bias-correction")
    done = cli("quantize", own, "--target", target, "--data", parts, *quick, "--threads", 2)
    assert done.status == 0, done.err
    assert cli("lint", own, "--target", "jetpack-6.2" if target == "tensorrt" else "cpu").status == 0
    verified = cli("verify", own, "--data", parts, "--json")
    assert verified.status in (0, 1), verified.err
    ran = cli("run", own, "--source", parts / "test", "--graph", f"anomaly-int8-{target}")
    if verified.status == 1:
        assert ran.is_one_line_of_bad_input(), "a graph that failed its gate must not run"
        return
    assert ran.status == 0, ran.err
    bench = cli("bench", own)
    assert bench.status == 0, bench.err
    report = cli("report", own, "--out", own.parent / "report.html")
    assert report.status == 0, report.err
    assert "anomaly-int8" in (own.parent / "report.html").read_text(encoding="utf-8")


def test_options_about_faces_are_refused(cli: Cli, exported: Path, parts: Path) -> None:
    for option in (("--record", "x.mp4"), ("--face-box", "0,0,1,1"), ("--gallery", str(parts))):
        assert cli("run", exported, "--source", parts / "test", *option).is_one_line_of_bad_input()
    assert cli("run", exported, "--source", "synthetic").is_one_line_of_bad_input()


def test_no_weights_ship_and_that_is_said(cli: Cli, exported: Path, tmp_path: Path) -> None:
    system = exported.name.removesuffix(".bundle")
    done = cli("export", system, "--out", tmp_path / "b")
    assert done.is_one_line_of_bad_input()
    assert "train it" in done.err


@pytest.mark.parametrize("system", list(SYSTEMS))
def test_sets_of_no_use_are_refused(cli: Cli, system: str, tmp_path: Path) -> None:
    bare = write_parts(tmp_path / "one", train=1, good=1, defective=1)
    empty = tmp_path / "empty"
    (empty / "train" / "good").mkdir(parents=True)
    for data in (bare, empty, tmp_path / "missing"):
        done = cli("train", system, "--data", data, "--out", tmp_path / "run", *SIZE)
        assert done.is_one_line_of_bad_input(), (data, done.err)
        assert not (tmp_path / "run").exists()
