"""From a raw score to a normalised one and a verdict, as the decision parameters say."""

from __future__ import annotations

import math
from enum import Enum

from crystaledge.anomaly.spec import AnomalyDecision

_STEEP = 700.0
"""exp of more overflows."""


class AnomalyVerdict(Enum):
    """What is said of an image."""

    NORMAL = "normal"
    ANOMALOUS = "anomalous"


def verdict_of(raw: float, decision: AnomalyDecision) -> AnomalyVerdict:
    """Anomalous from the threshold on."""
    return AnomalyVerdict.ANOMALOUS if raw >= decision.threshold else AnomalyVerdict.NORMAL


def normalised(raw: float, decision: AnomalyDecision) -> float:
    """`1 / (1 + exp(-(raw - threshold) / spread))`, in [0, 1]; one half at the threshold, and rising."""
    steps = (raw - decision.threshold) / decision.spread
    return 1.0 / (1.0 + math.exp(min(-steps, _STEEP)))
