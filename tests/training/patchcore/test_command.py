"""`crystaledge train patchcore`: options become a request; what cannot be is refused in one line, first of all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crystaledge.anomaly.spec import AnomalyDecision
from crystaledge.cli.main import main
from crystaledge_training.commands import train_patchcore as command
from crystaledge_training.patchcore.config import PUBLISHED_PATCHES
from crystaledge_training.patchcore.train import PatchCoreTrainRequest, PatchCoreTrainResult
from crystaledge_training.patchcore.train_config import PatchCoreTrainConfig
from tests.training.patchcore.builders import checkpoint_of, random_network
from tests.training.student_teacher.builders import draw_parts


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_parts(tmp_path_factory.mktemp("parts"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[PatchCoreTrainRequest]:
    """Requests that would have been carried out."""
    requests: list[PatchCoreTrainRequest] = []
    decision = checkpoint_of(random_network()).record.decision
    assert isinstance(decision, AnomalyDecision)

    def remember(request: PatchCoreTrainRequest) -> PatchCoreTrainResult:
        requests.append(request)
        return PatchCoreTrainResult(request.out / "best.safetensors", 12, 480, decision, 90.0)

    monkeypatch.setattr(command, "train", remember)
    return requests


def test_options_become_a_request(
    parts: Path, tmp_path: Path, asked: list[PatchCoreTrainRequest], capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["train", "patchcore", "--data", str(parts), "--out", str(tmp_path / "run"), "--size", "48,64"]
    given += ["--bank-share", "0.1", "--holdout", "0.3", "--false-alarm-rate", "0.05", "--seed", "3", "--threads", "1"]
    assert main([*given, "--licence", "mine", "--force", "--json"]) == 0
    (request,) = asked
    config = request.config
    assert (config.size_hw, config.bank_share, config.holdout) == ((48, 64), 0.1, 0.3)
    assert (config.false_alarm_rate, config.seed, request.data_licence, request.force) == (0.05, 3, "mine", True)
    assert (len(request.data.train), request.out) == (16, tmp_path / "run")
    found = json.loads(capsys.readouterr().out)
    assert (found["bank_rows"], found["patches"], found["decision"]["held_out"]) == (12, 480, 20)


def test_without_options_the_defaults_hold_and_the_promise_is_said(
    parts: Path, tmp_path: Path, asked: list[PatchCoreTrainRequest], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "patchcore", "--data", str(parts), "--out", str(tmp_path / "run")]) == 0
    assert asked[0].config == PatchCoreTrainConfig()
    said = capsys.readouterr().out
    assert "12 of 480 patches remembered" in said
    assert "20 held-out images, which leave the false-alarm rate between 0.00" in said


def test_the_published_backbone_brings_its_sizes(
    parts: Path, tmp_path: Path, asked: list[PatchCoreTrainRequest]
) -> None:
    given = ["train", "patchcore", "--data", str(parts), "--out", str(tmp_path / "run")]
    assert main([*given, "--backbone", "published"]) == 0
    assert asked[0].config.network == PUBLISHED_PATCHES


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        pytest.param(["--epochs", "3"], "--epochs", id="epochs"),
        pytest.param(["--stop-after", "3"], "--stop-after", id="stop after"),
        pytest.param(["--faces", "x"], "--faces is about other systems", id="faces"),
        pytest.param(["--people", "x"], "--people is about other systems", id="people"),
        pytest.param(["--qat"], "--qat is about other systems", id="int8"),
        pytest.param(["--student", "light"], "--student is about other systems", id="student"),
        pytest.param(["--keep-float", "x"], "--keep-float is about other systems", id="keep float"),
        pytest.param(["--workers", "2"], "--workers is about other systems", id="workers"),
        pytest.param(["--size", "64"], "is not H,W", id="size of one number"),
        pytest.param(["--size", "64,-1"], "is not H,W", id="negative size"),
        pytest.param(["--bank-share", "0"], "bank share is 0", id="no bank"),
        pytest.param(["--holdout", "1"], "hold-out share is 1", id="nothing to remember"),
        pytest.param(["--false-alarm-rate", "0.7"], "false-alarm rate is 0.7", id="mostly alarms"),
        pytest.param(["--false-alarm-rate", "nan"], "is not a share", id="not a number"),
        pytest.param(["--backbone", "resnet"], "efficientnet_lite0, published", id="unknown backbone"),
        pytest.param(["--data", "nowhere"], "nowhere", id="no such data"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    parts: Path,
    tmp_path: Path,
    asked: list[PatchCoreTrainRequest],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    word: str,
) -> None:
    assert main(["train", "patchcore", "--data", str(parts), "--out", str(tmp_path / "run"), *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == "" and not asked
    assert word in said.err.splitlines()[-1]
    assert "Traceback" not in said.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("system", ["mnemosyne", "phantom"])
@pytest.mark.parametrize(
    "option", [("--size", "64,64"), ("--bank-share", "0.1"), ("--backbone", "published"), ("--holdout", "0.5")]
)
def test_other_systems_refuse_options_about_anomalies(
    parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], system: str, option: tuple[str, str]
) -> None:
    assert main(["train", system, "--data", str(parts), "--out", str(tmp_path / "run"), *option]) == 2
    assert f"{option[0]} is about other systems; leave it out for {system}." in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
