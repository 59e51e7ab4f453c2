"""The comparison with SORT, ByteTrack and OC-SORT on the very same detections: one command, one table.

python -m crystaledge_benchmarks.tracking.compare --peers-python PEERS/bin/python [--seeds 5]

`peers.py` says how to make the other environment.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crystaledge.cli.verb import talk
from crystaledge.errors import CrystalEdgeError
from crystaledge.tracking.config import TrackerConfig
from crystaledge_benchmarks.tracking.folder import Metrics, SharedFolder, kind_of
from crystaledge_benchmarks.tracking.ours import track
from crystaledge_benchmarks.tracking.paths import Kind
from crystaledge_benchmarks.tracking.scenes import scene_of

OURS = {"CrystalEdge": False, "CrystalEdge + appearance": True}
"""Name to whether appearance is used."""
COLUMNS = ("HOTA", "IDF1", "MOTA", "IDSW", "Frag", "cost_ms")
SHARES = ("HOTA", "IDF1", "MOTA")
"""Columns printed in per cent."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everybody and print the table; 2 where the peers cannot be run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", type=Path, required=True, help="interpreter with trackers and trackeval")
    parser.add_argument("--seeds", type=int, default=5, help="scenes of each kind, seeds from 0 on (default: 5)")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = SharedFolder(Path(name))
            for kind, seed in itertools.product(Kind, range(options.seeds)):
                scene = scene_of(kind, seed)
                folder.add_scene(kind, seed, scene)
                for tracker, appearance in OURS.items():
                    folder.add_answer(kind, seed, tracker, track(scene, TrackerConfig(), appearance=appearance))
            metrics = folder.measure(options.peers_python)
    except CrystalEdgeError as problem:
        talk(f"error: {problem}")
        return problem.exit_status
    sys.stdout.write(table(metrics))
    return 0


def table(metrics: Metrics) -> str:
    """Means over the seeds: a block for each kind of scene and one for all, a row for each tracker."""
    blocks = [(kind.value, [s for s in metrics if kind_of(s) is kind]) for kind in Kind]
    lines = [f"{'scene':10} {'tracker':26}" + "".join(f"{c:>9}" for c in COLUMNS)]
    for name, scenes in [*((n, s) for n, s in blocks if s), ("all", list(metrics))]:
        for tracker in metrics[scenes[0]]:
            means = {c: float(np.mean([metrics[s][tracker][c] for s in scenes])) for c in COLUMNS}
            lines.append(f"{name:10} {tracker:26}" + "".join(_cell(c, v) for c, v in means.items()))
    return "\n".join(lines) + "\n"


def _cell(column: str, value: float) -> str:
    if column in SHARES:
        return f"{100 * value:9.1f}"
    return f"{value:9.3f}" if column == "cost_ms" else f"{value:9.1f}"


if __name__ == "__main__":
    sys.exit(main())
