"""The loop that people write: decode, detect every face of every frame, embed each.

This file runs in the peers' own environment, as a script, and needs numpy and the peers' modules; nothing of
CrystalEdge:

    PEERS/venv/bin/python naive_loop.py PEERS CLIP --detector blazeface_short:0:0.5 --embedder dlib

A detector is `name:side:threshold`; it sees frames shrunk to a long side of at most `side`, 0 for as they are. Faces
are detected in every frame; embedding, which takes most of the time, is timed on the first that show any.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any


def main() -> int:
    parser = argparse.ArgumentParser(description="Time the peers on one clip; JSON on stdout.")
    parser.add_argument("peers", type=Path)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--detector", action="append", required=True)
    parser.add_argument("--embedder", action="append", required=True)
    parser.add_argument("--frames", type=int, default=0, help="at most so many; 0: all")
    parser.add_argument("--embed-frames", type=int, default=20)
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.peers))
    sys.stdout.write(json.dumps(watch(arguments)) + "\n")
    return 0


def watch(arguments: argparse.Namespace) -> dict[str, Any]:
    """CPU milliseconds per frame or per face, and the boxes of each frame."""
    cv2, detectors, embedders = (import_module(name) for name in ("cv2", "detectors", "embedders"))
    finders = {name: (side, detectors.make(kind, score)) for name, kind, side, score in map(_spec, arguments.detector)}
    embed = {name: embedders.make(name) for name in arguments.embedder}
    found: dict[str, Any] = {name: {"cpu_ms": [], "boxes": []} for name in finders}
    embed_ms: dict[str, dict[str, list[float]]] = {name: {kind: [] for kind in embed} for name in finders}
    decode_ms: list[float] = []
    video = cv2.VideoCapture(str(arguments.clip), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    while not arguments.frames or len(decode_ms) < arguments.frames:
        spent, (good, frame) = _timed(video.read)
        if not good:
            break
        decode_ms.append(spent)
        for name, (side, detector) in finders.items():
            spent, (boxes, points) = _timed(_find, cv2, detector, frame, side)
            found[name]["cpu_ms"].append(spent)
            found[name]["boxes"].append(boxes.tolist())
            with_faces = sum(map(bool, found[name]["boxes"]))
            if with_faces <= arguments.embed_frames:
                for box, marks in zip(boxes, points):  # noqa: B905 (the peers' Python may be any)
                    for kind, embedder in embed.items():
                        embed_ms[name][kind].append(_timed(embedder, frame, box, marks)[0])
    return {"decode_cpu_ms": decode_ms, "detectors": found, "embed_cpu_ms": embed_ms}


def _spec(text: str) -> tuple[str, str, int, float]:
    kind, side, score = text.split(":")
    return text, kind, int(side), float(score)


def _find(cv2: Any, detector: Any, frame: Any, side: int) -> tuple[Any, Any]:
    scale = min(1.0, side / max(frame.shape[:2])) if side else 1.0
    small = frame if scale == 1.0 else cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    boxes, _, points = detector.points(small)
    return boxes / scale, points / scale


def _timed(call: Any, *arguments: Any) -> tuple[float, Any]:
    """CPU milliseconds and the answer."""
    began = time.process_time()
    answer = call(*arguments)
    return (time.process_time() - began) * 1e3, answer


if __name__ == "__main__":
    sys.exit(main())
