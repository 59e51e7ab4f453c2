"""What is typed: wrong usage, help, and an interrupt. Statuses and errors are tested in `cli/test_main.py`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import pytest

from crystaledge.cli import main as cli
from crystaledge.cli.verb import Outcome, Verb


def working_half(arguments: Namespace) -> Outcome:
    """Works, or is interrupted at it."""
    if arguments.what == "interrupt":
        raise KeyboardInterrupt
    return Outcome(text="done", data={"did": arguments.what})


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("what")


WORK = Verb(
    name="work",
    summary="works",
    description="Works.",
    extra="vision",
    configure=_configure,
    target=f"{__name__}:working_half",
)
ABSENT = Verb(
    name="absent",
    summary="cannot work here",
    description="Cannot work here.",
    extra="vision",
    configure=lambda parser: None,
    target="package_that_is_absent.module:run",
)


@pytest.fixture(autouse=True)
def _two_verbs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "find_verbs", lambda: [WORK, ABSENT])


def test_an_interrupt_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["work", "interrupt"]) == 130
    assert capsys.readouterr() == ("", "crystaledge: interrupted\n")


def test_without_json_the_text_alone_is_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["work", "well"]) == 0
    assert capsys.readouterr() == ("done\n", "")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="no-verb"),
        pytest.param(["fly"], id="unknown-verb"),
        pytest.param(["work"], id="argument-missing"),
        pytest.param(["work", "well", "--loud"], id="unknown-option"),
    ],
)
def test_wrong_usage_is_one_line_and_status_two(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("crystaledge: ")
    assert len(err.splitlines()) == 1
    assert "--help" in err


def test_help_lists_every_verb_and_names_the_extra(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, expected in ((["--help"], "cannot work here"), (["work", "--help"], "crystaledge[vision]")):
        with pytest.raises(SystemExit) as left:
            cli.main(arguments)
        assert left.value.code == 0
        assert expected in capsys.readouterr().out
