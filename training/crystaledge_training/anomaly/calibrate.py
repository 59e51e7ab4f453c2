"""A trained network's decision, from normal images that it never saw, scored as the runtime scores them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import nn

from crystaledge.anomaly.scoring import Scoring
from crystaledge.anomaly.spec import AnomalyDecision
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.anomaly.look import look_at
from crystaledge_training.anomaly.threshold import choose_decision


def calibrated(
    network: nn.Module,
    held_out: Sequence[Path],
    preprocessing: Preprocessing,
    scoring: Scoring,
    *,
    false_alarm_rate: float,
    data: str,
) -> AnomalyDecision:
    """Look at the held-out images one by one and put the threshold above as many of them as the rate asks for.

    Args:
        network: in inference mode; see `look_at`.
        held_out: normal images that nothing else was fitted to, at least one.
        false_alarm_rate: share of normal images that may lie at or above the threshold.
        data: the set that they are of, for the record.

    Raises:
        DataError: no image, one that cannot be read, or a score that is not finite.
    """
    looks = [look.scored for look in look_at(network, held_out, preprocessing, scoring)]
    return choose_decision(
        np.array([scored.raw for scored in looks], np.float32),
        np.array([scored.cells.max() for scored in looks], np.float32),
        scoring,
        false_alarm_rate=false_alarm_rate,
        calibrated_on=f"{len(looks)} held-out normal images of {data}",
    )
