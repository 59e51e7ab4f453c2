"""Killed before any of its system calls, an operation has happened or has not, and is never half done."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.runtime.gallery.crash_points import NOT_PERMITTED, ROOT


def test_no_operation_is_ever_half_done() -> None:
    command = [sys.executable, "-m", "tests.runtime.gallery.crash_points"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == NOT_PERMITTED:
        pytest.skip("not run: this system does not permit to trace a child process")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("states of the files") == 5
