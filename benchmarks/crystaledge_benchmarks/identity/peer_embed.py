"""Embeds small face crops with a network of the peers'.

This file runs in the peers' own environment, as a script, and needs numpy, OpenCV and the peers' modules; nothing of
CrystalEdge:

    PEERS/venv/bin/python peer_embed.py PEERS CROPS.npy VECTORS.npy --embedder dlib

The crops are all that a peer sees. They are enlarged, and their border repeated, so that the peers' own detector finds
the landmarks by which each peer turns and cuts the face to the size it was made for; where none is found, the middle
of LFW's crops is taken.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

ENLARGED = 3
MARGIN_SHARE = 0.25
"""Of the crop's side, repeated all around."""
DETECTOR, LEAST_SCORE = "yunet_n", 0.3
SCORE_WORTH = 0.3
"""A detection may lie so much of the crop's side farther from the middle for one point of score more."""
EXPECTED_BOX = (0.08, 0.07, 0.92, 1.0)
EXPECTED_POINTS = ((0.295, 0.383), (0.705, 0.383), (0.5, 0.598), (0.344, 0.832), (0.676, 0.832))
"""Eyes, nose and corners of the mouth in the central 0.8 of LFW's crops, as shares of the side."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Embed crops; CPU milliseconds of each as JSON on stdout.")
    parser.add_argument("peers", type=Path)
    parser.add_argument("crops", type=Path, help="uint8 (N, side, side, 3), RGB")
    parser.add_argument("vectors", type=Path, help="float32 (N, D), to be written")
    parser.add_argument("--embedder", required=True)
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.peers))
    sys.stdout.write(json.dumps(embed(arguments)) + "\n")
    return 0


def embed(arguments: argparse.Namespace) -> dict[str, Any]:
    """Write a vector for each crop; what they cost, detection left out, and how many crops showed no face."""
    numpy, detectors, embedders = (import_module(name) for name in ("numpy", "detectors", "embedders"))
    detector, embedder = detectors.make(DETECTOR, LEAST_SCORE), embedders.make(arguments.embedder)
    vectors, cpu_ms, not_found = [], [], 0
    for crop in numpy.load(arguments.crops):
        image = enlarge(crop)
        found = nearest_face(detector, image, len(crop))
        not_found += found is None
        box, points = found or expected_face(len(crop))
        began = time.process_time()
        vectors.append(embedder(image, box, points))
        cpu_ms.append((time.process_time() - began) * 1e3)
    numpy.save(arguments.vectors, numpy.asarray(vectors, numpy.float32))
    return {"cpu_ms": cpu_ms, "not_found": not_found}


def enlarge(crop: Any) -> Any:
    """BGR, with room around it."""
    cv2 = import_module("cv2")
    side, margin = len(crop) * ENLARGED, _margin(len(crop))
    large = cv2.resize(crop[:, :, ::-1], (side, side), interpolation=cv2.INTER_CUBIC)
    return cv2.copyMakeBorder(large, margin, margin, margin, margin, cv2.BORDER_REPLICATE)


def nearest_face(detector: Any, image: Any, side: int) -> Any:
    """Box and points of the detection nearest the middle, or None."""
    numpy = import_module("numpy")
    boxes, scores, points = detector.points(image)
    if not len(scores):
        return None
    away = numpy.abs((boxes[:, :2] + boxes[:, 2:]) / 2 - len(image) / 2).sum(1) / (side * ENLARGED)
    best = int(numpy.argmin(away - SCORE_WORTH * scores))
    return boxes[best], points[best]


def expected_face(side: int) -> Any:
    """Box and points where a face should be."""
    numpy = import_module("numpy")
    box, points = numpy.asarray(EXPECTED_BOX), numpy.asarray(EXPECTED_POINTS)
    return box * side * ENLARGED + _margin(side), points * side * ENLARGED + _margin(side)


def _margin(side: int) -> int:
    return round(side * MARGIN_SHARE) * ENLARGED


if __name__ == "__main__":
    sys.exit(main())
