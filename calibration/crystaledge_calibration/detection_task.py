"""Detections as calibration sees them: two graphs are alike where they find the same faces."""

from __future__ import annotations

from functools import partial

from crystaledge.bundle import Bundle
from crystaledge.detection.codec import Candidates
from crystaledge.manifest.model import detection_decision
from crystaledge_calibration.agreement import agreement
from crystaledge_calibration.detection_records import DetectionLimits, DetectionParity, DetectionVerificationRecord
from crystaledge_calibration.detection_tally import FaceTally
from crystaledge_calibration.image_task import ImageTask
from crystaledge_calibration.pyramid import faces_of

_AIM = 0.98


def detection_task(bundle: Bundle) -> ImageTask[Candidates, DetectionParity, DetectionLimits]:
    """How a bundle finds faces."""
    decision = detection_decision(bundle.manifest.decision, where=str(bundle.path))
    score = decision.point.score
    return ImageTask(
        octaves=decision.octaves,
        defects=False,
        judged=None,
        aim=_AIM,
        limits=DetectionLimits(),
        record=DetectionVerificationRecord,
        see=partial(faces_of, decision=decision),
        agree=partial(agreement, score=score),
        tally=lambda images: FaceTally(score),
    )
