"""Anomalies as calibration sees them: two graphs are alike where they score and map an image alike."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from crystaledge.anomaly.scoring import Scored, Scoring, score
from crystaledge.bundle import Bundle
from crystaledge.manifest.model import anomaly_decision
from crystaledge.systems.anomaly_contract import DISTANCE, FEATURES
from crystaledge.systems.anomaly_memory import scoring_of
from crystaledge_calibration.anomaly_agreement import agreement
from crystaledge_calibration.anomaly_records import AnomalyLimits, AnomalyParity, AnomalyVerificationRecord
from crystaledge_calibration.anomaly_tally import AnomalyTally
from crystaledge_calibration.finite import LARGEST, finite
from crystaledge_calibration.image_task import ImageTask, Levels

Array = NDArray[np.float32]
_JUDGED = 16
"""Normal images, each with and without defects: hundreds of cells of each are compared, and a search is dear."""
_AIM = 0.965
"""Scores a fortieth of a spread apart and a map off by a hundredth.

A verdict turns where the threshold lies between both scores, which happens to as many images as lie there per spread
times how far the scores are apart. A Gaussian has at most 0.4 a spread; 0.4 / 40 are the 1 % that the gate lets pass.
"""


def anomaly_task(bundle: Bundle) -> ImageTask[Scored, AnomalyParity, AnomalyLimits]:
    """How a bundle finds anomalies."""
    decision = anomaly_decision(bundle.manifest.decision, where=str(bundle.path))
    return ImageTask(
        octaves=1,
        defects=True,
        judged=_JUDGED,
        aim=_AIM,
        limits=AnomalyLimits(),
        record=AnomalyVerificationRecord,
        see=partial(scored_images, scoring=scoring_of(bundle)),
        agree=partial(agreement, decision=decision),
        tally=lambda images: AnomalyTally(decision, [file.normal for file in images.files]),
    )


def scored_images(levels: Levels, scoring: Scoring) -> list[Scored]:
    """Score each image as the host does.

    Args:
        levels: outputs by name of the one octave there is; a distance that is not finite is as far as can be.
    """
    (outputs,) = levels
    distance = _clean(outputs, DISTANCE)
    features = _clean(outputs, FEATURES) if scoring.bank is not None else None
    rows = len(next(iter(outputs.values())))
    return [score(_row(distance, row), _row(features, row), scoring) for row in range(rows)]


def _clean(outputs: Mapping[str, Array], name: str) -> Array | None:
    return finite(outputs[name], nan=LARGEST) if name in outputs else None


def _row(maps: Array | None, row: int) -> Array | None:
    return None if maps is None else maps[row]
