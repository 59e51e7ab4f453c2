"""Facts about the machine that a number was measured on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

NOT_READABLE = "not readable"
NOT_INSTALLED = "not installed"
_PACKAGES = ("crystaledge", "numpy", "onnxruntime", "torch", "onnx", "opencv-python-headless")


@dataclass(frozen=True, slots=True)
class Machine:
    """CPU, system and library versions."""

    cpu: str
    cores: int
    system: str
    python: str
    governor: str
    packages: tuple[tuple[str, str], ...]


def describe_machine() -> Machine:
    """Read what can be read without rights; "not readable" where it cannot."""
    return Machine(
        cpu=_cpu_name(),
        cores=len(os.sched_getaffinity(0)),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        governor=_first_line(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        packages=tuple((name, _version(name)) for name in _PACKAGES),
    )


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return NOT_READABLE
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return names[0] if names else _arm_name(lines) or platform.processor() or NOT_READABLE


def _arm_name(lines: list[str]) -> str:
    """Implementer and part, where a 64-bit Arm kernel names no model; empty elsewhere."""
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    numbers = [facts.get(key, "") for key in ("CPU implementer", "CPU part")]
    return f"Arm, implementer {numbers[0]}, part {numbers[1]}" if all(numbers) else ""


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").splitlines()[0]
    except (OSError, IndexError):
        return NOT_READABLE


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return NOT_INSTALLED
