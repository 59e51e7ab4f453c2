"""Train, evaluate, export, run: the chain as a user types it, on drawn people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors import safe_open

from tests.e2e.conftest import Cli

NETWORK = ("--encoding", 24, "--hidden", 16)


@pytest.fixture(scope="module")
def checkpoint(cli: Cli, people_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network, trained for two epochs."""
    run = tmp_path_factory.mktemp("runs") / "a"
    done = cli("train", "mnemosyne", "--data", people_folder, "--out", run, "--epochs", 2, *NETWORK, "--json")
    assert done.status == 0, done.err
    result = json.loads(done.out)
    assert result["epochs"] == 2
    assert (run / "tensorboard").is_dir()
    return Path(result["checkpoint"])


@pytest.fixture(scope="module")
def bundle(cli: Cli, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint as a bundle."""
    out = tmp_path_factory.mktemp("bundles") / "m.bundle"
    done = cli("export", "mnemosyne", "--checkpoint", checkpoint, "--out", out, "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["opset"] == 18
    return out


def test_checkpoint_carries_configuration_preprocessing_and_provenance(checkpoint: Path) -> None:
    with safe_open(checkpoint, framework="np") as file:
        record = json.loads(file.metadata()["crystaledge"])
    assert record["network"] == {"encoding": 24, "hidden": 16, "gate": "update", "variant": "published"}
    assert record["preprocessing"]["size_hw"] == [64, 64]
    assert record["provenance"]["people_trained"] + record["provenance"]["people_validated"] == 40


def test_evaluate_reports_every_part(cli: Cli, checkpoint: Path, people_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    done = cli(
        "evaluate", "mnemosyne", "--checkpoint", checkpoint, "--data", people_folder, "--out", out, "--bootstrap", 20
    )
    assert done.status == 0, done.err
    for heading in ("## N = 1", "## N = 3", "uncertainty used", "Order of the frames", "Velocity", "Stopping rules"):
        assert heading in done.out
    assert {p.name for p in out.iterdir()} == {"report.md", "report.json", "velocity.png", "auc.png"}
    report = json.loads((out / "report.json").read_text())
    methods = {m["method"] for m in report["evaluation"]["accuracy"][0]["methods"]}
    assert {"crystallized", "single best frame", "mean of encodings", "quality-weighted mean"} <= methods


def test_the_wide_variant_is_exported_from_embedded_weights_and_runs(cli: Cli, tmp_path: Path) -> None:
    bundle = tmp_path / "wide.bundle"
    done = cli("export", "mnemosyne", "--variant", "wide", "--out", bundle)
    assert done.status == 0, done.err
    assert "47,649" in (bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    ran = cli("run", bundle, "--source", "synthetic", "--enroll-synthetic", "--frames", 8)
    assert ran.status == 0, ran.err
    events = [json.loads(line) for line in ran.out.splitlines()]
    assert events
    assert all(0.0 <= event["velocity"] <= 1.0 and 0.0 < event["quality"] < 1.0 for event in events)
    both = cli("export", "mnemosyne", "--variant", "wide", "--checkpoint", "x", "--out", tmp_path / "b")
    assert both.is_one_line_of_bad_input()


def test_run_prints_one_event_a_line_with_a_decision(cli: Cli, bundle: Path, people_folder: Path) -> None:
    done = cli("run", bundle, "--source", people_folder / "person03", "--gallery", people_folder)
    assert done.status == 0, done.err
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [e["frame"] for e in events] == list(range(6))
    assert {e["track"] for e in events} == {0}
    assert events[-1]["observations"] == 6
    assert events[-1]["verdict"] in ("same", "different")
    assert events[-1]["false_accept_rate"] is not None


def test_run_gives_each_subfolder_its_own_track(cli: Cli, bundle: Path, people_folder: Path) -> None:
    done = cli("run", bundle, "--source", people_folder, "--frames", 12, "--json")
    events = json.loads(done.out)["events"]
    assert [e["track"] for e in events] == [0] * 6 + [1] * 6
    assert events[0]["match"] is None and events[0]["verdict"] is None


def test_state_survives_a_restart(cli: Cli, bundle: Path, people_folder: Path, tmp_path: Path) -> None:
    state = tmp_path / "tracks.state"
    assert cli("run", bundle, "--source", people_folder / "person01", "--snapshot", state).status == 0
    fresh = cli("run", bundle, "--source", people_folder / "person01", "--json")
    restored = cli("run", bundle, "--source", people_folder / "person01", "--restore", state, "--json")
    first, again = (json.loads(done.out)["events"][0] for done in (fresh, restored))
    assert first["observations"] == 1
    assert again["observations"] == 7, restored.err


def test_nothing_is_written_that_was_not_asked_for(cli: Cli, bundle: Path, people_folder: Path, tmp_path: Path) -> None:
    done = cli("run", bundle, "--source", people_folder / "person01", "--gallery", people_folder, cwd=tmp_path)
    assert done.status == 0
    assert list(tmp_path.iterdir()) == []


def test_run_on_the_synthetic_scene(cli: Cli, bundle: Path) -> None:
    done = cli("run", bundle, "--source", "synthetic", "--enroll-synthetic", "--frames", 3, "--stopping", "velocity")
    assert done.status == 0, done.err
    assert len(done.out.splitlines()) == 3


def test_every_verb_explains_itself(cli: Cli) -> None:
    listed = cli("--help")
    for verb in (
        "systems",
        "train",
        "evaluate",
        "export",
        "quantize",
        "lint",
        "build",
        "triton",
        "verify",
        "bench",
        "report",
        "run",
        "doctor",
        "demo",
    ):
        assert f"    {verb} " in listed.out
        assert cli(verb, "--help").out.startswith(f"usage: crystaledge {verb}")


def test_systems_lists_parameters_and_state(cli: Cli) -> None:
    found = json.loads(cli("systems", "--json").out)
    assert found["systems"][0]["parameters"] == 43_379
    assert set(found["installed"].values()) == {True}
