"""A detector on the octaves of whole images, as the runtime reads it: from maps to faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from crystaledge.detection.boxes import suppress
from crystaledge.detection.camera_view import BOX, LOGIT
from crystaledge.detection.codec import Candidates, decode, logit_of
from crystaledge.detection.spec import DetectionDecision
from crystaledge_calibration.finite import finite

Array = NDArray[np.float32]


def faces_of(levels: Sequence[Mapping[str, Array]], decision: DetectionDecision) -> list[Candidates]:
    """Faces of each image from the low score up, in pixels of the network's input, best first, suppressed.

    Args:
        levels: maps by output name of each octave, `(N, channels, h, w)`; what is not finite decides nothing.
    """
    clean = [(finite(maps[LOGIT]), finite(maps[BOX])) for maps in levels]
    return [_faces([(logit[row, 0], box[row]) for logit, box in clean], decision) for row in range(len(clean[0][0]))]


def above(faces: Candidates, score: float) -> Candidates:
    """Those of at least a score."""
    kept = faces.score >= score
    return Candidates(faces.box_xyxy[kept], faces.score[kept])


def _faces(levels: Sequence[tuple[Array, Array]], decision: DetectionDecision) -> Candidates:
    threshold = logit_of(decision.low_score)
    parts = [decode(logit, box, threshold_logit=threshold) for logit, box in levels]
    boxes = np.concatenate([part.box_xyxy * np.float32(1 << octave) for octave, part in enumerate(parts)])
    scores = np.concatenate([part.score for part in parts])
    kept = suppress(boxes, scores, iou=decision.suppression_iou)
    return Candidates(boxes[kept], scores[kept])
