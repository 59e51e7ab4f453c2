"""One command measures every part on drawn clips; without clips what needs them says so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from crystaledge.bundle import Bundle
from crystaledge.errors import UsageError
from crystaledge_benchmarks.video import detector_latency, memory, tracker_cost
from crystaledge_benchmarks.video.__main__ import main
from crystaledge_benchmarks.video.parts import PARTS
from crystaledge_benchmarks.video.setup import Setup
from tests.benchmarks.video.conftest import FILM


def test_all_parts_run_on_drawn_clips(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(detector_latency, "_LOOKS", 2)
    monkeypatch.setattr(tracker_cost, "_FRAMES", 5)
    monkeypatch.setattr(memory, "_FILM", FILM)
    report, sheet = tmp_path / "out.json", tmp_path / "sheet.png"
    words = [*_bundles(setup), "--data", str(setup.data), "--repeats", "1", "--frames", "4", "--hours", "0.002"]
    assert main([*words, "--json", str(report), "--sheet", str(sheet)]) == 0
    text, values = capsys.readouterr().out, json.loads(report.read_text())
    assert list(values["parts"]) == list(PARTS)
    assert all(f"== {name}\n" in text for name in PARTS)
    assert "not run: This" not in text
    assert {row["clip"] for row in values["parts"]["speed"]["record"]} == {"person00", "person01", "crowd"}
    assert {rule["stopping"] for rule in values["parts"]["identity"]["record"]["rules"]} == {
        "sprt",
        "velocity",
        "truncated",
    }
    assert sheet.exists()


def test_without_clips_parts_say_what_they_need(setup: Setup, capsys: pytest.CaptureFixture[str]) -> None:
    parts = ("speed", "identity", "stability")
    assert main([*_bundles(setup), *(word for part in parts for word in ("--part", part))]) == 0
    assert capsys.readouterr().out.count("not run: This part needs real clips; name their folder with --data.") == 3


def test_no_sheet_is_written_unasked(setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*_bundles(setup), "--data", str(setup.data), "--part", "stability"]) == 0
    assert not list(tmp_path.iterdir())


def test_a_bundle_that_is_none_is_an_error_of_its_user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--detector", str(tmp_path), "--identity", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_nothing_is_measured_no_times(setup: Setup) -> None:
    with pytest.raises(UsageError, match="above 0"):
        replace(setup, repeats=0)
    with pytest.raises(UsageError, match="above 0"):
        replace(setup, frames=0)
    with pytest.raises(UsageError, match="above 0"):
        replace(setup, clip_frames=0)
    with pytest.raises(UsageError, match="above 0"):
        replace(setup, hours=0.0)


def test_a_bundle_without_int8_graphs_says_so(detector_bundle: Bundle, setup: Setup) -> None:
    assert list(detector_latency.looks_of(detector_bundle)) == ["float32"]
    report = detector_latency.run(replace(setup, repeats=1))
    assert report.findings == ("int8 not run: the bundle has no such graphs.",)


def test_the_tracker_is_fed_ten_faces() -> None:
    frames = list(tracker_cost.boxes_of(10, 3))
    assert [len(frame) for frame in frames] == [10] * 3
    assert tracker_cost.measure(faces=10, frames=2, repeats=2).frames == 2


def _bundles(setup: Setup) -> list[str]:
    return ["--detector", str(setup.detector.path), "--identity", str(setup.identity.path)]
