"""The power mode of a Jetson: numbers of one mode say nothing of another."""

from __future__ import annotations

import shutil
import subprocess


def power_mode() -> str:
    """What `nvpmodel` says, which needs no rights to ask; words where there is none."""
    command = shutil.which("nvpmodel")
    if command is None:
        return "not readable: no nvpmodel, which a Jetson has"
    try:
        told = subprocess.run([command, "-q"], capture_output=True, text=True, check=False, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return "not readable: nvpmodel does not answer"
    lines = [line.partition(":")[2].strip() for line in told.splitlines() if "power mode" in line.lower()]
    return lines[0] if lines and lines[0] else "not readable: nvpmodel names no mode"
