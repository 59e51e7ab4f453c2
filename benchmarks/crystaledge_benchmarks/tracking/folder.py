"""The folder that we and the peers' interpreter share."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from crystaledge.errors import UsageError
from crystaledge_benchmarks.tracking.ours import Answer
from crystaledge_benchmarks.tracking.paths import Kind
from crystaledge_benchmarks.tracking.scenes import Scene

PEERS_SCRIPT = Path(__file__).with_name("peers.py")

Metrics: TypeAlias = dict[str, dict[str, dict[str, float]]]
"""Scene to tracker to metric to value."""


@dataclass(frozen=True, slots=True)
class SharedFolder:
    """Scenes, answers and metrics, one file each."""

    path: Path

    def add_scene(self, kind: Kind, seed: int, scene: Scene) -> None:
        """Write what peers may know of a scene, and its ground truth."""
        scene.save(self.path / f"{scene_name(kind, seed)}.npz")

    def add_answer(self, kind: Kind, seed: int, tracker: str, answer: Answer) -> None:
        """Write what a tracker said."""
        folder = self.path / scene_name(kind, seed)
        folder.mkdir(exist_ok=True)
        np.savez(folder / f"{tracker}.npz", number=answer.number, cost_ms=answer.cost_ms)

    def measure(
        self, python: Path, *, peers: Mapping[str, tuple[str, Mapping[str, Any]]] | None = None, quick: bool = False
    ) -> Metrics:
        """Let the other interpreter run the peers and measure everybody.

        Args:
            python: interpreter that has `trackers` and `trackeval`.
            peers: name to class and settings; None for those of `peers.py`.
            quick: leave out HOTA.

        Raises:
            UsageError: the interpreter is missing, or its script fails.
        """
        command = [str(python), str(PEERS_SCRIPT), str(self.path)]
        if peers is not None:
            chosen = self.path / "peers.json"
            chosen.write_text(json.dumps(peers))
            command += ["--peers", str(chosen)]
        command += ["--quick"] if quick else []
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as problem:
            told = getattr(problem, "stderr", None) or str(problem)
            msg = f"{python} could not run the peers: {told.strip().splitlines()[-1]} (peers.py says what it needs)."
            raise UsageError(msg) from problem
        metrics: Metrics = json.loads((self.path / "metrics.json").read_text())
        return metrics


def scene_name(kind: Kind, seed: int) -> str:
    """Name of a scene's file, without its ending."""
    return f"{kind.value}-{seed}"


def kind_of(scene: str) -> Kind:
    """The kind that a scene's name begins with."""
    return Kind(scene.rpartition("-")[0])
