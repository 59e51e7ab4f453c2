"""The command line as tests call it."""

from __future__ import annotations

import pytest

from crystaledge.cli.main import main

QUICK = ("--calibrator", "minmax", "--no-equalize", "--no-bias-correction", "--no-search", "--threads", "1")


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Exit status, and all that was written."""
    capsys.readouterr()
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return status, out + err
