"""How well a trained detector finds faces in whole images, as the runtime would with all octaves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crystaledge.detection.spec import DetectionDecision, DetectionPoint
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.data.annotations import AnnotatedImage
from crystaledge_training.evaluation.detection import LARGEST_AREA, DetectionMetrics, Found, detection_metrics
from crystaledge_training.evaluation.detection_matching import Matching, Scored, Truth
from crystaledge_training.phantom.detect import detect, network_inputs
from crystaledge_training.phantom.module import SCORE_FLOOR
from crystaledge_training.phantom.network import Detector


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomEvaluation:
    """One detector on one set of images; sizes are in pixels of the network's input."""

    metrics: DetectionMetrics
    calibrated: DetectionPoint
    """The operating point, with what the images gave that it was chosen on."""
    realised: DetectionPoint
    """The same score, with what these images give."""
    size_hw: tuple[int, int]
    octaves: int
    smallest_face_px: float
    resamples: int
    seed: int
    images_per_second: float
    """Network, decoding and suppression of all octaves by torch on this machine, images being in memory."""


def evaluate(
    detector: Detector,
    images: Sequence[AnnotatedImage],
    preprocessing: Preprocessing,
    decision: DetectionDecision,
    *,
    resamples: int,
    seed: int,
) -> PhantomEvaluation:
    """Run a detector, in inference mode, over annotated images.

    Args:
        resamples: of the images, for the interval of AP50; 0 leaves it out.

    Raises:
        DataError: an image cannot be read.
    """
    inputs, boxes = network_inputs(images, Preprocessor(preprocessing))
    truth = [(box, image.ignored) for box, image in zip(boxes, images, strict=True)]
    started = time.perf_counter()
    found = detect(
        detector,
        inputs,
        octaves=decision.octaves,
        score_threshold=SCORE_FLOOR,
        suppression_iou=decision.suppression_iou,
    )
    seconds = time.perf_counter() - started
    smallest = decision.smallest_face_px
    return PhantomEvaluation(
        metrics=detection_metrics(
            [Found(f.box_xyxy, f.score) for f in found], truth, smallest_px=smallest, bootstrap=resamples, seed=seed
        ),
        calibrated=decision.point,
        realised=realised_point([(f.box_xyxy, f.score) for f in found], truth, decision),
        size_hw=preprocessing.size_hw,
        octaves=decision.octaves,
        smallest_face_px=smallest,
        resamples=resamples,
        seed=seed,
        images_per_second=len(images) / max(seconds, 1e-9),
    )


def realised_point(found: Sequence[Scored], truth: Sequence[Truth], decision: DetectionDecision) -> DetectionPoint:
    """Precision and recall, at an overlap of 0.5, of the detections from the decision's score on.

    Both are 0 where nothing is found or nothing is there.
    """
    judged = Matching(found, truth).judged((decision.smallest_face_px**2, LARGEST_AREA))
    taken = judged.score >= np.float32(decision.point.score)
    hits, faces = int(judged.hit[taken].sum()), int(judged.faces.sum())
    return DetectionPoint(
        score=decision.point.score, precision=hits / max(int(taken.sum()), 1), recall=hits / max(faces, 1)
    )
