"""Search for settings, ours and the peers', on seeds that no comparison reports.

python -m crystaledge_benchmarks.tracking.tune --peers-python PEERS/bin/python [--trials 30]
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from crystaledge.tracking.config import MotionNoise, TrackerConfig
from crystaledge_benchmarks.tracking.folder import Metrics, SharedFolder
from crystaledge_benchmarks.tracking.ours import track
from crystaledge_benchmarks.tracking.paths import Kind, Random
from crystaledge_benchmarks.tracking.scenes import scene_of

SEEDS = (100, 101)
"""The comparison reports seeds from 0 on."""

OURS: dict[str, tuple[float, ...]] = {
    "overlap_gate": (0.05, 0.1, 0.15, 0.2, 0.3),
    "low_overlap_gate": (0.15, 0.2, 0.3, 0.4),
    "buffer_min": (0.0, 0.05, 0.1, 0.2),
    "buffer_max": (0.4, 0.6, 0.8, 1.2),
    "buffer_sd": (0.5, 1.0, 1.5, 2.0),
    "unseen_trust": (0.6, 0.7, 0.8, 0.9, 1.0),
    "occlusion_cover": (0.2, 0.3, 0.5),
    "reupdate_after_s": (0.12, 0.2, 0.4, 9.0),
    "coast_s": (1.0, 1.5, 2.0),
    "similarity_weight": (0.0, 0.3, 0.6, 1.0),
    "doubt_after_s": (0.2, 0.3, 0.6),
}
NOISE: dict[str, tuple[float, ...]] = {
    "position_sd": (0.04, 0.05, 0.07, 0.1),
    "log_size_sd": (0.05, 0.07, 0.1),
    "low_score_factor": (1.0, 2.0, 3.0),
    "speed_sd": (0.7, 1.0, 1.5, 2.0, 3.0),
    "speed_memory_s": (0.7, 1.5, 3.0, 10.0),
    "growth_sd": (0.1, 0.3, 0.6),
}
PEERS: dict[str, dict[str, tuple[float, ...]]] = {
    "ByteTrackTracker": {
        "lost_track_buffer": (30, 60, 90),
        "track_activation_threshold": (0.6, 0.7),
        "minimum_iou_threshold": (0.05, 0.1, 0.2),
    },
    "OCSORTTracker": {
        "lost_track_buffer": (30, 60),
        "minimum_iou_threshold": (0.1, 0.2, 0.3),
        "high_conf_det_threshold": (0.4, 0.6),
    },
    "SORTTracker": {
        "lost_track_buffer": (30, 60, 90),
        "track_activation_threshold": (0.25, 0.6),
        "minimum_iou_threshold": (0.05, 0.1, 0.3),
    },
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print settings, the best first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", type=Path, required=True, help="interpreter with trackers and trackeval")
    parser.add_argument("--trials", type=int, default=30, help="settings of ours to try (default: 30)")
    parser.add_argument("--seed", type=int, default=0, help="of the search (default: 0)")
    parser.add_argument("--only-ours", action="store_true", help="leave the peers out")
    options = parser.parse_args(arguments)
    random = np.random.default_rng(options.seed)
    configs = [TrackerConfig(), *(_mutated(TrackerConfig(), random) for _ in range(options.trials))]
    with tempfile.TemporaryDirectory() as name:
        folder = SharedFolder(Path(name))
        _answer(folder, configs)
        metrics = folder.measure(options.peers_python, peers={} if options.only_ours else _grid(), quick=True)
    for score, tracker in sorted(_scores(metrics), reverse=True):
        said = configs[int(tracker[1:4])] if tracker.startswith("#") else ""
        sys.stdout.write(f"{score:.4f} {tracker} {said}\n")
    return 0


def _mutated(config: TrackerConfig, random: Random) -> TrackerConfig:
    """Each setting is drawn anew with a chance of one third."""
    drawn = {n: float(random.choice(v)) for n, v in OURS.items() if random.random() < 1 / 3}
    noise = {n: float(random.choice(v)) for n, v in NOISE.items() if random.random() < 1 / 3}
    longer = {"occluded_coast_s": max(config.occluded_coast_s, drawn.get("coast_s", 0.0))}
    motion: MotionNoise = replace(config.motion, **noise)
    changes: dict[str, Any] = {**drawn, **longer, "motion": motion}
    return replace(config, **changes)


def _answer(folder: SharedFolder, configs: Sequence[TrackerConfig]) -> None:
    for kind, seed in itertools.product(Kind, SEEDS):
        scene = scene_of(kind, seed)
        folder.add_scene(kind, seed, scene)
        for (index, config), appearance in itertools.product(enumerate(configs), (False, True)):
            answer = track(scene, config, appearance=appearance)
            folder.add_answer(kind, seed, f"#{index:03}{'+' if appearance else ''}", answer)


def _grid() -> dict[str, tuple[str, dict[str, Any]]]:
    """Every combination of the peers' settings, named by itself."""
    grid = {}
    for kind, ranges in PEERS.items():
        for values in itertools.product(*ranges.values()):
            settings = dict(zip(ranges, values, strict=True))
            grid[" ".join([kind, *(f"{n}={v:g}" for n, v in settings.items())])] = (kind, settings)
    return grid


def _scores(metrics: Metrics) -> list[tuple[float, str]]:
    """Mean IDF1 over the scenes; a switch costs as much as half a point of it."""
    trackers = next(iter(metrics.values()))
    return [
        (float(np.mean([scene[t]["IDF1"] - 0.005 * scene[t]["IDSW"] for scene in metrics.values()])), t)
        for t in trackers
    ]


if __name__ == "__main__":
    sys.exit(main())
