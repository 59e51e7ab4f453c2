"""Whether two graphs judge an image alike: by how far their scores are apart, and their maps."""

from __future__ import annotations

import numpy as np

from crystaledge.anomaly.scoring import Scored
from crystaledge.anomaly.spec import AnomalyDecision

_FAR_SPREADS = 4.0
"""So far above the threshold an image is anomalous whatever its score (0.98 normalised); more does not count."""


def apart(left: float, right: float, decision: AnomalyDecision) -> float:
    """How much higher the right raw score is than the left one, in spreads of normal images.

    A spread is what chance does to the score of a normal image, so a difference is large or small against it. Scores
    far above the threshold count as `_FAR_SPREADS` spreads above it: an error that grows with the distance, as eight
    bits make it, changes no verdict there. Scores below the threshold count in full: where the normal images lie
    decides the rate of false alarms.
    """
    far = decision.threshold + _FAR_SPREADS * decision.spread
    return (min(right, far) - min(left, far)) / decision.spread


def agreement(left: Scored, right: Scored, decision: AnomalyDecision) -> float:
    """How alike two graphs judge an image, in (0, 1]; 1 where score and map are the same.

    `1 / (1 + a + e)`: a is the distance of the scores in spreads, e the relative error of the map. The score is one
    cell's (the most distant one's) and so a noisy witness, though the verdict is its alone; the map says how all cells
    fare, and what people are shown. Each has its natural unit, so neither needs a weight: a map that is off by as much
    as it holds weighs as a score that has moved by what chance does to it. The hyperbola is steepest where candidates
    are good and bounded where one image is lost, so that the mean over images is not that image's.
    """
    return 1.0 / (1.0 + abs(apart(left.raw, right.raw, decision)) + _map_error(left, right, decision))


def _map_error(left: Scored, right: Scored, decision: AnomalyDecision) -> float:
    """Relative to the left map, or to a spread where the map is smaller: patches of the bank itself are no distance."""
    error = np.sqrt(np.square(left.cells.astype(np.float64) - right.cells).mean())
    size = np.sqrt(np.square(left.cells.astype(np.float64)).mean())
    return float(error / max(size, decision.spread))
