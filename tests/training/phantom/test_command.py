"""`crystaledge train phantom`: options become a request; what cannot be is refused in one line before anything else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crystaledge.cli.main import main
from crystaledge_training.commands import train_phantom as command
from crystaledge_training.phantom.train import PhantomTrainResult
from crystaledge_training.phantom.train_detector import PhantomTrainRequest
from tests.training.builders import draw_people
from tests.training.phantom.builders import draw_backgrounds, draw_photographs


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("folders")
    return {
        "photographs": draw_photographs(root / "photographs"),
        "faces": draw_people(root / "faces", [2, 3]),
        "backgrounds": draw_backgrounds(root / "backgrounds"),
        "crowd": draw_backgrounds(root / "crowd", plain=1),
    }


PASTED = ["--faces", "{faces}", "--backgrounds", "{backgrounds}"]


def remembering(asked: list[PhantomTrainRequest], *, finished: bool = True) -> object:
    def remember(request: PhantomTrainRequest) -> PhantomTrainResult:
        asked.append(request)
        return PhantomTrainResult(request.out / "best.safetensors" if finished else None, 1, 3, 0.875, 90.0)

    return remember


def test_options_become_a_request(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[PhantomTrainRequest] = []
    monkeypatch.setattr(command, "train", remembering(asked))
    given = ["train", "phantom", "--data", str(folders["photographs"]), "--faces", str(folders["faces"])]
    given += ["--backgrounds", str(folders["backgrounds"]), "--out", str(tmp_path / "run"), "--epochs", "7"]
    assert main([*given, "--seed", "3", "--stop-after", "2", "--workers", "4", "--threads", "1", "--json"]) == 0
    (request,) = asked
    assert (request.config.epochs, request.config.seed, request.stop_after, request.workers) == (7, 3, 2, 4)
    assert (len(request.data.faces), request.data.people, len(request.data.backgrounds)) == (5, 2, 2)
    assert (len(request.data.training.images), len(request.data.validation.images)) == (4, 3)
    assert request.data_licence.startswith("faces: ")
    found = json.loads(capsys.readouterr().out)
    assert (found["best_epoch"], found["epochs"], found["validation_ap50"]) == (1, 3, 0.875)


def test_terms_that_are_given_are_kept_and_an_unfinished_run_says_how_to_go_on(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[PhantomTrainRequest] = []
    monkeypatch.setattr(command, "train", remembering(asked, finished=False))
    given = ["train", "phantom", "--data", str(folders["photographs"]), "--out", str(tmp_path / "run")]
    given += [argument.format(**folders) for argument in PASTED]
    assert main([*given, "--licence", "mine"]) == 0
    assert asked[0].data_licence == "mine"
    assert "run the same command again to go on" in capsys.readouterr().out


def test_backgrounds_show_nobody(folders: dict[str, Path]) -> None:
    found = command._without_people(folders["backgrounds"])
    assert sorted(path.name for path in found) == ["1.png", "2.png"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        pytest.param(["--faces", "{faces}"], "--faces and --backgrounds", id="faces without backgrounds"),
        pytest.param(["--backgrounds", "{backgrounds}"], "--faces and --backgrounds", id="backgrounds without faces"),
        pytest.param(["--hidden", "8"], "--hidden", id="sizes of another system"),
        pytest.param(["--encoding", "8"], "--encoding", id="encoding of another system"),
        pytest.param(["--qat"], "--qat", id="int8"),
        pytest.param(["--workers", "65"], "--workers", id="too many workers"),
        pytest.param(["--data", "nowhere", *PASTED], "nowhere", id="no such data"),
        pytest.param(["--data", "{faces}", *PASTED], "no annotations", id="data without annotations"),
        pytest.param([], "--faces and --backgrounds", id="nothing to render films of"),
        pytest.param(["--faces", "nowhere", "--backgrounds", "{backgrounds}"], "nowhere", id="no such faces"),
        pytest.param(["--faces", "{faces}", "--backgrounds", "{photographs}"], "person", id="nobody is annotated"),
        pytest.param(
            ["--checkpoint", "x"],
            "--checkpoint",
            id="checkpoint without qat",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    folders: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    word: str,
) -> None:
    monkeypatch.setattr(command, "train", remembering([]))
    given = ["train", "phantom", "--data", str(folders["photographs"]), "--out", str(tmp_path / "run")]
    assert main([*given, *(argument.format(**folders) for argument in arguments)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert word in said.err.splitlines()[-1]
    assert "Traceback" not in said.err
    assert not (tmp_path / "run").exists()
