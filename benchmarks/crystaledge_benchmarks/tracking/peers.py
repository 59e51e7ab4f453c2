"""The peers on the same detections, and the metrics of everybody.

This file runs in an environment of its own, as a script, and needs numpy, `trackers` (Roboflow,
Apache 2.0) and `trackeval` (MIT); nothing of CrystalEdge:

    python3 -m venv PEERS && PEERS/bin/pip install numpy trackers trackeval
    PEERS/bin/python peers.py FOLDER

FOLDER holds `<scene>.npz` (see `scenes.Scene.save`) and `<scene>/<tracker>.npz` (`number`, `cost_ms`).
The peers' answers are added, and `metrics.json`: for each scene and tracker the counts and scores.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = dict[str, Array]

FPS = 25.0
PEERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ByteTrack": ("ByteTrackTracker", {}),
    "OC-SORT": ("OCSORTTracker", {}),
    "SORT": ("SORTTracker", {}),
}
"""Name to class and settings."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the peers on a folder of scenes and measure every tracker.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peers", type=Path, help="JSON file of peers: name to [class, settings] (default: built in)")
    parser.add_argument("--quick", action="store_true", help="leave out HOTA, which takes most of the time")
    arguments = parser.parse_args()
    peers = json.loads(arguments.peers.read_text()) if arguments.peers else PEERS
    metrics = {}
    for path in sorted(arguments.folder.glob("*.npz")):
        scene = dict(np.load(path))
        answers = arguments.folder / path.stem
        answers.mkdir(exist_ok=True)
        for name, (kind, settings) in peers.items():
            number, cost_ms = follow(scene, kind, settings)
            np.savez(answers / f"{name}.npz", number=number, cost_ms=cost_ms)
        metrics[path.stem] = {
            file.stem: measure(scene, dict(np.load(file)), quick=arguments.quick)
            for file in sorted(answers.glob("*.npz"))
        }
    (arguments.folder / "metrics.json").write_text(json.dumps(metrics))
    return 0


def follow(scene: Arrays, kind: str, settings: dict[str, Any]) -> tuple[Array, Array]:
    """Track of each detection, -1 for none, and the milliseconds of each frame; the peers are told the times."""
    supervision, trackers = import_module("supervision"), import_module("trackers")

    tracker = getattr(trackers, kind)(frame_rate=FPS, **settings)
    bounds = np.searchsorted(scene["det_frame"], np.arange(len(scene["time_s"]) + 1))
    number, cost_ms = np.full(len(scene["det_frame"]), -1, np.int64), np.empty(len(scene["time_s"]))
    for frame, time_s in enumerate(scene["time_s"]):
        rows = np.arange(bounds[frame], bounds[frame + 1])
        detections = supervision.Detections(
            xyxy=scene["det_box"][rows], confidence=scene["det_score"][rows], data={"row": rows}
        )
        begin = time.perf_counter()
        told = tracker.update(detections, timestamp=float(time_s))
        cost_ms[frame] = (time.perf_counter() - begin) * 1e3
        if len(told):
            number[told.data["row"]] = told.tracker_id
    return number, cost_ms


def measure(scene: Arrays, answer: Arrays, *, quick: bool) -> dict[str, float]:
    """Metrics of one answer, by trackeval."""
    metrics = import_module("trackeval.metrics")
    data = as_trackeval(scene, answer["number"])
    quiet = {"PRINT_CONFIG": False}
    identity, clear = (m(quiet).eval_sequence(data) for m in (metrics.Identity, metrics.CLEAR))
    result = {"IDF1": identity["IDF1"], "MOTA": clear["MOTA"], "IDSW": clear["IDSW"], "Frag": clear["Frag"]}
    if not quick:
        result["HOTA"] = metrics.HOTA().eval_sequence(data)["HOTA"].mean()
    result["cost_ms"] = np.median(answer["cost_ms"])
    return {name: float(value) for name, value in result.items()}


def as_trackeval(scene: Arrays, number: Array) -> dict[str, Any]:
    """The form in which trackeval's metrics take a sequence: dense ids and similarities for each frame."""
    kept = number >= 0
    frames = range(len(scene["time_s"]))
    ids, dense = np.unique(number[kept], return_inverse=True)
    people, person = np.unique(scene["gt_person"], return_inverse=True)
    det_frame, box = scene["det_frame"][kept], scene["det_box"][kept]
    gt = [scene["gt_frame"] == f for f in frames]
    det = [det_frame == f for f in frames]
    return {
        "num_timesteps": len(frames),
        "num_gt_ids": len(people),
        "num_tracker_ids": len(ids),
        "num_gt_dets": len(person),
        "num_tracker_dets": len(dense),
        "gt_ids": [person[g] for g in gt],
        "tracker_ids": [dense[d] for d in det],
        "similarity_scores": [iou(scene["gt_box"][g], box[d]) for g, d in zip(gt, det, strict=True)],
    }


def iou(first: Array, second: Array) -> Array:
    """Intersection over union of boxes x1, y1, x2, y2."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common: Array = np.clip(high - low, 0, None).prod(-1)
    areas = [(b[:, 2:] - b[:, :2]).prod(-1) for b in (first, second)]
    union: Array = areas[0][:, None] + areas[1][None] - common
    return common / union


if __name__ == "__main__":
    sys.exit(main())
