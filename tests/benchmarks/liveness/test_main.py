"""One command shows drawn photographs and drawn people to the check; bad input is an error of its user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crystaledge.bundle import Bundle
from crystaledge.liveness.config import CALIBRATED_PX
from crystaledge.liveness.result import NOT_COVERED
from crystaledge_benchmarks.liveness import films
from crystaledge_benchmarks.liveness.__main__ import main
from crystaledge_benchmarks.liveness.measure import METHODS
from crystaledge_benchmarks.liveness.sheet_motion import AttackKind

KINDS = [kind.value for kind in AttackKind]


@pytest.fixture
def bundles(detector_bundle: Bundle, tiny_bundle_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Words that name both; photographs are small, and films are a window long."""
    monkeypatch.setattr(films, "LFW_SIDE_PX", 64)
    monkeypatch.setattr(films, "FRAMES", 13)
    return ["--detector", str(detector_bundle.path), "--identity", str(tiny_bundle_path)]


def test_photographs_and_people_are_shown_and_judged(
    bundles: list[str], lfw: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    words = [*bundles, "--lfw", str(lfw), "--clips", str(clips), "--photographs", "1", "--stills", "1"]
    assert main([*words, "--json", str(out)]) == 0
    said, record = capsys.readouterr(), json.loads(out.read_text())
    results = record["record"]
    for part, words_of_part in (("training", "training people"), ("test", "test people")):
        rates = results[f"{part}_photographs"]["attacks"]
        # What the detector loses is no presentation; of others there is one window.
        assert [rate["kind"] for rate in rates] == [kind for kind in KINDS if kind in _kinds(results, part)] != []
        assert {(rate["people"], rate["windows"]) for rate in rates} == {(1, 1)}
        assert f"{len(rates)} windows of photographs of {words_of_part}\n" in said.err
        assert all(f"APCER {rate['kind']}" in said.out for rate in rates)
    assert results["shipped_px"] == CALIBRATED_PX
    assert results["clips"]["alive"]["people"] == 2
    assert [other["method"] for other in results["others"]] == list(METHODS)
    assert [person for person, _, _ in results["alive_by_person"]] == ["person00", "person01"]
    assert {motion["person"] for motion in results["motions"] if motion["part"] == "clips"} == {"person00", "person01"}
    assert record["machine"] and record["findings"][-1] == f"Not covered: {', '.join(NOT_COVERED)}."
    assert said.out.count("BPCER") == 1 + len(METHODS)
    assert "person00 done\nperson01 done\n" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_without_clips_nobody_alive_is_shown_and_unasked_nothing_is_written(
    bundles: list[str], lfw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*bundles, "--lfw", str(lfw), "--photographs", "1"]) == 0
    text = capsys.readouterr().out
    assert "APCER" in text
    assert "BPCER" not in text
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", ["--detector", "--identity"])
def test_a_bundle_that_is_none_is_an_error_of_its_user(
    missing: str, bundles: list[str], lfw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundles[bundles.index(missing) + 1] = str(tmp_path)
    _assert_refused([*bundles, "--lfw", str(lfw)], str(tmp_path), capsys)


def test_a_folder_that_is_none_is_an_error_of_its_user(
    bundles: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _assert_refused([*bundles, "--lfw", str(tmp_path / "none")], "none does not exist", capsys)


def test_lists_that_are_missing_are_an_error_of_their_user(
    bundles: list[str], lfw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _assert_refused([*bundles, "--lfw", str(lfw / "images")], "peopleDevTrain.txt", capsys)


def test_a_folder_without_clips_is_an_error_of_its_user(
    bundles: list[str], lfw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*bundles, "--lfw", str(lfw), "--clips", str(tmp_path)]
    assert main(words) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"error: {tmp_path} has no clips talking_head/*.mp4")


def test_a_bundle_that_tells_nobody_apart_is_an_error_of_its_user(
    bundles: list[str], lfw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundles[3] = bundles[1]
    _assert_refused([*bundles, "--lfw", str(lfw), "--photographs", "1"], "", capsys)


@pytest.mark.parametrize("count", ["0", "-3"])
def test_no_photographs_are_an_error_of_their_user(
    count: str, bundles: list[str], lfw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main([*bundles, "--lfw", str(lfw), f"--photographs={count}"])
    assert raised.value.code == 2
    assert f"'{count}' is not an integer from 1" in capsys.readouterr().err


def _kinds(results: dict[str, Any], part: str) -> list[str]:
    return [motion["kind"] for motion in results["motions"] if motion["part"] == part]


def _assert_refused(words: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith("error: ")
    assert expected in line
    assert said.out == ""
