"""`crystaledge train student_teacher`: options become a request; what cannot be is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crystaledge.cli.main import main
from crystaledge_training.anomaly.backbone_kind import BackboneKind
from crystaledge_training.commands import train_student_teacher as command
from crystaledge_training.student_teacher.config import PUBLISHED_PAIR, StudentKind, StudentTeacherConfig
from crystaledge_training.student_teacher.train import StudentTeacherTrainRequest, StudentTeacherTrainResult
from crystaledge_training.student_teacher.train_config import StudentTeacherTrainConfig
from tests.training.student_teacher.builders import draw_parts


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_parts(tmp_path_factory.mktemp("parts"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[StudentTeacherTrainRequest]:
    """Requests that the command made; none of them is trained."""
    requests: list[StudentTeacherTrainRequest] = []

    def remember(request: StudentTeacherTrainRequest) -> StudentTeacherTrainResult:
        requests.append(request)
        finished = request.stop_after is None
        return StudentTeacherTrainResult(request.out / "best.safetensors" if finished else None, 1, 3, 0.875, 90.0)

    monkeypatch.setattr(command, "train", remember)
    return requests


def given(parts: Path, out: Path, *options: str) -> list[str]:
    return ["train", "student_teacher", "--data", str(parts), "--out", str(out), *options]


def test_options_become_a_request(
    parts: Path, tmp_path: Path, asked: list[StudentTeacherTrainRequest], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--size", "64,96", "--student", "twin", "--false-alarm-rate", "0.05", "--holdout", "0.3")
    more = ("--epochs", "7", "--seed", "3", "--licence", "mine", "--threads", "1", "--json")
    assert main(given(parts, tmp_path / "run", *options, *more)) == 0
    (request,) = asked
    assert request.config.network == StudentTeacherConfig(student=StudentKind.TWIN)
    assert (request.config.size_hw, request.config.epochs, request.config.seed) == ((64, 96), 7, 3)
    assert (request.config.false_alarm_rate, request.config.holdout) == (0.05, 0.3)
    assert (request.data_licence, len(request.data.train), request.progress) == ("mine", 16, False)
    found = json.loads(capsys.readouterr().out)
    assert (found["best_epoch"], found["epochs"], found["watched_distance"]) == (1, 3, 0.875)


def test_without_options_the_defaults_are_asked_for(
    parts: Path, tmp_path: Path, asked: list[StudentTeacherTrainRequest]
) -> None:
    assert main(given(parts, tmp_path / "run")) == 0
    assert asked[0].config == StudentTeacherTrainConfig()


@pytest.mark.parametrize("options", [("--student", "published"), ("--backbone", "published")])
def test_the_published_networks_bring_each_other(
    parts: Path, tmp_path: Path, asked: list[StudentTeacherTrainRequest], options: tuple[str, ...]
) -> None:
    assert main(given(parts, tmp_path / "run", *options)) == 0
    assert asked[0].config.network == PUBLISHED_PAIR
    assert asked[0].config.network.teacher is BackboneKind.PUBLISHED


def test_an_unfinished_run_says_how_to_go_on(
    parts: Path, tmp_path: Path, asked: list[StudentTeacherTrainRequest], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(given(parts, tmp_path / "run", "--stop-after", "2")) == 0
    assert asked[0].stop_after == 2
    assert "run the same command again to go on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "word"),
    [
        pytest.param(("--people", "x"), "--people", id="people"),
        pytest.param(("--faces", "x"), "--faces", id="faces"),
        pytest.param(("--hidden", "8"), "--hidden", id="sizes of another system"),
        pytest.param(("--qat",), "--qat", id="int8"),
        pytest.param(("--workers", "2"), "--workers", id="workers"),
        pytest.param(("--bank-share", "0.1"), "--bank-share", id="a memory it does not have"),
        pytest.param(("--student", "light", "--backbone", "published"), "go together", id="half published"),
        pytest.param(("--student", "published", "--backbone", "efficientnet_lite0"), "go together", id="other half"),
        pytest.param(("--false-alarm-rate", "0.9"), "false-alarm rate", id="mostly false alarms"),
        pytest.param(("--false-alarm-rate", "0"), "false-alarm rate", id="no false alarm ever"),
        pytest.param(("--holdout", "1"), "hold-out", id="nothing to learn from"),
        pytest.param(("--student", "clever"), "no student", id="no such student"),
        pytest.param(("--size", "64"), "--size", id="half a size"),
        pytest.param(("--data", "nowhere"), "nowhere", id="no such data"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    parts: Path,
    tmp_path: Path,
    asked: list[StudentTeacherTrainRequest],
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    word: str,
) -> None:
    assert main(given(parts, tmp_path / "run", *options)) == 2
    said = capsys.readouterr()
    assert (said.out, asked) == ("", [])
    assert word in said.err.splitlines()[-1]
    assert "Traceback" not in said.err
    assert not (tmp_path / "run").exists()
