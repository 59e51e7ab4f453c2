"""Drawn detections, and COCO's rules written out in plain loops."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from crystaledge_training.evaluation.detection import Found
from crystaledge_training.evaluation.detection_matching import Truth

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Scene:
    """A few images."""

    found: list[Found]
    truth: list[Truth]


def found(*detections: tuple[Box, float]) -> Found:
    """Detections of one image, as boxes and scores."""
    boxes = np.array([box for box, _ in detections], np.float32).reshape(-1, 4)
    return Found(boxes, np.array([score for _, score in detections], np.float32))


def faces(*boxes: Box, ignored: tuple[Box, ...] = ()) -> Truth:
    """Truth of one image."""
    together = np.array([*boxes, *ignored], np.float32).reshape(-1, 4)
    return together, np.arange(len(together)) >= len(boxes)


def square(x: float, y: float, side: float) -> Box:
    """A box by its corner and side."""
    return x, y, x + side, y + side


def draw_scene(seed: int, *, images: int = 4, distinct: bool = False) -> Scene:
    """Faces on whole pixels, found roughly, twice, not at all, or where there is none.

    Args:
        distinct: no score comes twice; else most do.
    """
    random = np.random.default_rng(seed)
    scores = iter(random.permutation(1000) / 1000.0) if distinct else iter(random.integers(1, 6, 1000) / 5.0)
    scene = Scene([], [])
    for _ in range(images):
        boxes = [_draw_box(random) for _ in range(random.integers(0, 5))]
        near = [tuple(np.add(box, random.integers(-2, 3, 4))) for box in boxes * 2 if random.random() < 0.7]
        far = [_draw_box(random) for _ in range(random.integers(0, 4))]
        scene.truth.append((np.array(boxes, np.float32).reshape(-1, 4), random.random(len(boxes)) < 0.25))
        scene.found.append(found(*((box, float(next(scores))) for box in [*near, *far])))
    return scene


def _draw_box(random: np.random.Generator) -> Box:
    x, y = random.integers(0, 60, 2)
    width, height = random.integers(5, 40, 2)
    return float(x), float(y), float(x + width), float(y + height)


def area(box: Box) -> float:
    """Of a box."""
    return (box[2] - box[0]) * (box[3] - box[1])


def overlap(detection: Box, face: Box, *, crowd: bool) -> float:
    """Intersection over union, or over the detection where the face is a region."""
    width = min(detection[2], face[2]) - max(detection[0], face[0])
    height = min(detection[3], face[3]) - max(detection[1], face[1])
    common = max(width, 0.0) * max(height, 0.0)
    return common / (area(detection) if crowd else area(detection) + area(face) - common)


def judge_image(one: Found, truth: Truth, threshold: float, low: float, high: float) -> list[tuple[float, bool]]:
    """Score and hit of each detection that counts, by falling score."""
    boxes, ignored = truth[0].tolist(), truth[1].tolist()
    aside = [flag or not low <= area(box) <= high for box, flag in zip(boxes, ignored, strict=True)]
    free = [True] * len(boxes)
    judged: list[tuple[float, bool]] = []
    detections = sorted(zip(one.score.tolist(), one.box_xyxy.tolist(), strict=True), key=lambda pair: -pair[0])
    for score, detection in detections:
        best: int | None = None
        for wanted in (False, True):  # those set aside are second choice
            best_overlap = threshold
            for face, box in enumerate(boxes):
                this = overlap(detection, box, crowd=ignored[face])
                if aside[face] == wanted and (free[face] or ignored[face]) and this >= best_overlap:
                    best, best_overlap = face, this
            if best is not None:
                break
        if best is not None:
            free[best] = False
        if (best is None and low <= area(detection) <= high) or (best is not None and not aside[best]):
            judged.append((score, best is not None))
    return judged


def naive_average_precision(scene: Scene, threshold: float, low: float, high: float = 1e10) -> float:
    """COCO's 101 points, each searched for by itself."""
    total = sum(
        not flag and low <= area(box) <= high
        for boxes, ignored in scene.truth
        for box, flag in zip(boxes.tolist(), ignored.tolist(), strict=True)
    )
    if total == 0:
        return math.nan
    judged = [
        pair for f, t in zip(scene.found, scene.truth, strict=True) for pair in judge_image(f, t, threshold, low, high)
    ]
    judged.sort(key=lambda pair: -pair[0])
    curve = [
        (hits / total, hits / (n + 1)) for n in range(len(judged)) for hits in [sum(hit for _, hit in judged[: n + 1])]
    ]
    best = [max((p for r, p in curve if r >= wanted), default=0.0) for wanted in np.linspace(0.0, 1.0, 101)]
    return sum(best) / 101
