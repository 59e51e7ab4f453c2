"""From errors and outcomes to exit statuses, lines and JSON."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Protocol

import pytest

from crystaledge.cli import main as cli
from crystaledge.cli.verb import Outcome, Verb
from crystaledge.errors import CrystalEdgeError, GateFailedError, UsageError
from crystaledge.extras import load
from crystaledge.system import System
from crystaledge_benchmarks.assets import embedded_bundle

OUTCOME = Outcome(text="done", data={"a": 1})


def answer(arguments: Namespace) -> Outcome:
    return OUTCOME


def say_no(arguments: Namespace) -> Outcome:
    return Outcome(text="no", data={}, passed=False)


def refuse(arguments: Namespace) -> Outcome:
    raise UsageError("Two\nlines.")


def fail_the_gate(arguments: Namespace) -> Outcome:
    raise GateFailedError("The gate says no.")


def interrupt(arguments: Namespace) -> Outcome:
    raise KeyboardInterrupt


def run_out_of_disk(arguments: Namespace) -> Outcome:
    raise OSError(28, "No space left on device", "x")


def break_down(arguments: Namespace) -> Outcome:
    raise ZeroDivisionError


class Call(Protocol):
    def __call__(self, function: str, *arguments: str, extra: str | None = None) -> int: ...


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run a command line whose only verb is one of the functions above."""

    def run(function: str, *arguments: str, extra: str | None = None) -> int:
        verb = Verb(
            name="verb",
            summary="a verb",
            description="A verb.",
            extra=extra,
            configure=lambda parser: None,
            target=function if ":" in function else f"{__name__}:{function}",
        )
        monkeypatch.setattr(cli, "find_verbs", lambda: [verb])
        return cli.main(["verb", *arguments])

    return run


@pytest.mark.parametrize(
    ("function", "status"),
    [("answer", 0), ("say_no", 1), ("fail_the_gate", 1), ("refuse", 2), ("interrupt", 130)],
)
def test_exit_status(call: Call, function: str, status: int) -> None:
    assert call(function) == status


def test_an_error_is_one_line_on_stderr(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    call("refuse")
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err == "crystaledge: Two lines.\n"


def test_json_is_one_object_on_stdout(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    call("answer", "--json")
    assert json.loads(capsys.readouterr().out) == {"a": 1}


def test_a_bug_is_neither_bad_input_nor_a_no(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("break_down") == 70
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_an_error_of_the_system_is_one_line(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run_out_of_disk") == 2
    captured = capsys.readouterr()
    assert len(captured.err.splitlines()) == 1 and "No space left" in captured.err


def test_a_missing_package_names_the_extra(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("no_such_package_at_all:run", extra="train") == 2
    assert "pip install 'crystaledge[train]'" in capsys.readouterr().err


def test_a_missing_module_of_our_own_is_a_bug() -> None:
    with pytest.raises(ModuleNotFoundError):
        load("crystaledge.no_such_module:run", extra="train", purpose="This")


def test_all_verbs_are_registered_and_light() -> None:
    verbs = {verb.name: verb for verb in cli.find_verbs()}
    assert list(verbs) == list(cli._ORDER)
    for verb in verbs.values():
        parser = ArgumentParser()
        verb.configure(parser)
        assert verb.summary and verb.description


def test_errors_have_a_status() -> None:
    assert CrystalEdgeError.exit_status == 2 and GateFailedError.exit_status == 1


def test_sigterm_ends_a_verb_as_ctrl_c_does(tmp_path: Path) -> None:
    """A service manager stops a run: the state file is written, and nothing is said but one line."""
    state = tmp_path / "tracks.state"
    bundle = embedded_bundle(System.MNEMOSYNE)
    command = ["run", str(bundle), "--source", "synthetic", "--snapshot", str(state)]
    process = subprocess.Popen(
        [sys.executable, "-m", "crystaledge.cli.main", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("{"), "it runs"
    process.terminate()
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130 and told == "crystaledge: interrupted\n"
    assert state.is_file()


def test_the_handler_that_was_there_is_there_again() -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert cli.main(["systems", "--json"]) == 0
    assert signal.getsignal(signal.SIGTERM) is before
