"""The thresholds of a detector, chosen on validation images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crystaledge.detection.spec import DetectionDecision, DetectionPoint
from crystaledge_training.evaluation.detection import LARGEST_AREA
from crystaledge_training.evaluation.detection_matching import Matching, Scored, Truth

_SCORES = (0.05, 0.95)
"""Thresholds that can be chosen."""
_LOW_SHARE = 0.4
"""The low score over the score: what may go on with a track, after ByteTrack's second association."""


def detection_point(found: Sequence[Scored], truth: Sequence[Truth], *, smallest_px: float) -> DetectionPoint:
    """The score with the best F1 of faces of at least a size, at an overlap of 0.5."""
    judged = Matching(found, truth).judged((smallest_px**2, LARGEST_AREA))
    faces = int(judged.faces.sum())
    if not len(judged.score) or not faces:
        return DetectionPoint(score=0.5, precision=0.0, recall=0.0)
    hits = np.cumsum(judged.hit)
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / faces
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    # Equal scores pass together, and a threshold must leave room on both sides.
    last = np.append(judged.score[1:] < judged.score[:-1], True)
    usable = last & (judged.score > _SCORES[0]) & (judged.score < _SCORES[1])
    if not usable.any():
        return DetectionPoint(score=0.5, precision=0.0, recall=0.0)
    best = int(np.argmax(np.where(usable, f1, -1.0)))
    # Just below, since what passes is above its threshold.
    score = float(np.nextafter(judged.score[best], np.float32(0.0)))
    return DetectionPoint(score=score, precision=float(precision[best]), recall=float(recall[best]))


def decision_of(
    point: DetectionPoint, *, octaves: int, suppression_iou: float, smallest_px: float, calibrated_on: str
) -> DetectionDecision:
    """Decision parameters around an operating point."""
    return DetectionDecision(
        octaves=octaves,
        point=point,
        low_score=_LOW_SHARE * point.score,
        suppression_iou=suppression_iou,
        smallest_face_px=smallest_px,
        track_score=0.6,
        birth_score=0.3,
        calibrated_on=calibrated_on,
    )
