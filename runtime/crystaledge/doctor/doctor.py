"""Examines a device: facts of the board first, then every engine, each proven by running it."""

from __future__ import annotations

import json
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from crystaledge.board import Board, read_board
from crystaledge.doctor.check import Check, Health
from crystaledge.doctor.cures import Part, cure_of
from crystaledge.doctor.tiny_graph import TINY_GRAPH
from crystaledge.errors import CrystalEdgeError, MissingExtraError
from crystaledge.extras import load
from crystaledge.power_mode import power_mode

_PATIENCE_S = 120
_PROBED = ("cuda", "tensorrt", "tensorrt-rtx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a probe said."""

    health: Health
    detail: str
    part: Part | None = None
    """What is missing."""


def examine(root: Path = Path("/")) -> tuple[Check, ...]:
    """Every check, in the order in which things depend on one another.

    Args:
        root: where the board's own files are looked up.
    """
    board = read_board(root)
    return tuple(_checks(board, root))


def _checks(board: Board, root: Path) -> Iterator[Check]:
    jetson = f", L4T {board.l4t}, JetPack {board.jetpack}" if board.is_jetson else ", no Jetson"
    yield Check(name="board", health=Health.FACT, detail=f"{board.model}{jetson}, {platform.machine()}")
    yield _python(board)
    yield Check(name="memory", health=Health.FACT, detail=_memory(root))
    yield Check(name="power mode", health=Health.FACT, detail=power_mode())
    yield _onnxruntime(board)
    yield _vision(board)
    for thing in _PROBED:
        told = ask(thing)
        cure = "" if told.part is None else cure_of(told.part, board)
        yield Check(name=thing, health=told.health, detail=told.detail, cure=cure)


def _python(board: Board) -> Check:
    in_venv = sys.prefix != sys.base_prefix
    sees_system = not in_venv or _sees_system_packages()
    detail = f"{platform.python_version()}, {'a virtual environment' if in_venv else 'no virtual environment'}"
    if board.is_jetson and not sees_system:
        cure = "python3 -m venv --system-site-packages .venv: JetPack's TensorRT is a system package"
        return Check(name="python", health=Health.BROKEN, detail=f"{detail} that hides system packages", cure=cure)
    return Check(name="python", health=Health.FACT, detail=detail)


def _sees_system_packages() -> bool:
    try:
        text = (Path(sys.prefix) / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return False
    return "include-system-site-packages = true" in text.lower()


def _memory(root: Path) -> str:
    try:
        text = (root / "proc/meminfo").read_text(encoding="utf-8")
    except OSError:
        return "not readable"
    facts = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    total, free = (int(facts.get(key, "0").split()[0]) / 1e6 for key in ("MemTotal", "MemAvailable"))
    return f"{free:.1f} of {total:.1f} GB free"


def _onnxruntime(board: Board) -> Check:
    name = "onnxruntime"
    try:
        make = load(
            "crystaledge.engine.onnxruntime_engine:make_session", extra=name, purpose="Running a graph on the CPU"
        )
        session = make(TINY_GRAPH, threads=1)  # type: ignore[operator]
        (found,) = session.run(None, {"x": np.arange(4, dtype=np.float32)})
    except MissingExtraError as error:
        return Check(name=name, health=Health.MISSING, detail=str(error), cure=cure_of(Part.ONNXRUNTIME, board))
    except CrystalEdgeError as error:
        return Check(name=name, health=Health.BROKEN, detail=str(error), cure=cure_of(Part.ONNXRUNTIME, board))
    if found.tolist() != [0.0, 2.0, 4.0, 6.0]:
        return Check(name=name, health=Health.BROKEN, detail=f"a tiny graph gave {found.tolist()}, not 0, 2, 4, 6")
    return Check(name=name, health=Health.WORKS, detail="a tiny graph was run on the CPU and right")


def _vision(board: Board) -> Check:
    if find_spec("cv2") is None:
        detail, cure = "OpenCV is not installed; images and video cannot be read", cure_of(Part.VISION, board)
        return Check(name="opencv", health=Health.MISSING, detail=detail, cure=cure)
    return Check(name="opencv", health=Health.FACT, detail="installed")


def ask(thing: str) -> Answer:
    """Run a probe in a process of its own; a crash of it is an answer too."""
    command = [sys.executable, "-m", "crystaledge.doctor.probe", thing]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        return Answer(health=Health.BROKEN, detail=f"did not answer within {_PATIENCE_S} s")
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return Answer(health=Health.BROKEN, detail=f"crashed its process with {name} when it was tried")
    try:
        told = json.loads(done.stdout.splitlines()[-1])
        part = None if told["part"] is None else Part(told["part"])
        return Answer(health=Health(told["health"]), detail=str(told["detail"]), part=part)
    except (ValueError, IndexError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        return Answer(health=Health.BROKEN, detail=f"could not be tried: {last}")
