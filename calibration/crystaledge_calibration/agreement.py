"""Whether two detectors find the same faces in an image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crystaledge.detection.boxes import iou_matrix
from crystaledge.detection.codec import Candidates

LEAST_IOU = 0.5
"""Two boxes that overlap by this much are of the same face."""


class Pair(NamedTuple):
    """The same face, found by both."""

    left: int
    right: int
    iou: float


def same_faces(left: Candidates, right: Candidates) -> list[Pair]:
    """One-to-one pairs of rows by overlap, the largest first."""
    overlaps = iou_matrix(left.box_xyxy, right.box_xyxy)
    rows, columns = np.nonzero(overlaps >= LEAST_IOU)
    values = overlaps[rows, columns]
    pairs: list[Pair] = []
    taken: tuple[set[int], set[int]] = (set(), set())
    for i in np.argsort(-values, kind="stable").tolist():
        row, column = int(rows[i]), int(columns[i])
        if row not in taken[0] and column not in taken[1]:
            taken[0].add(row)
            taken[1].add(column)
            pairs.append(Pair(row, column, float(values[i])))
    return pairs


def agreement(left: Candidates, right: Candidates, *, score: float) -> float:
    """How alike two detectors see an image, in [0, 1]; 1 where neither finds a face.

    Mean over the faces that either finds at the operating point: overlap of the two boxes times 1 - |difference of
    scores|, 0 for a face that the other misses. It is the panoptic quality (Kirillov et al., CVPR 2019) with scores,
    and with the other's face taken from the low score up, so that it falls smoothly where scores cross the threshold.

    Args:
        score: the operating point; candidates come from a lower score up.
    """
    pairs = same_faces(left, right)
    here, there = left.score >= score, right.score >= score
    total = sum(
        pair.iou * (1.0 - abs(float(left.score[pair.left]) - float(right.score[pair.right])))
        for pair in pairs
        if here[pair.left] or there[pair.right]
    )
    both = sum(bool(here[pair.left] and there[pair.right]) for pair in pairs)
    either = int(here.sum()) + int(there.sum()) - both
    return float(total / either) if either else 1.0
