"""Who of those that are gone is back, by appearance alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystaledge.tracking.assignment import assign
from crystaledge.tracking.motion import first_belief
from crystaledge.tracking.rows import COASTING
from crystaledge.tracking.step import Step


def welcome_back(step: Step, candidates: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Give people who return their old number; a young track that the detection had until now is given up.

    Args:
        candidates: detections that may be somebody who returns `(len(sight),)`.

    Returns:
        Which of them may still be somebody who is away, since no similarity is known `(len(sight),)`.
    """
    is_unknown = np.zeros(len(candidates), np.bool_)
    gone, which = _gone(step), candidates.nonzero()[0]
    if step.similarity is None or not (len(gone) and len(which)):
        return is_unknown
    likeness = step.similarity_of(which, gone)
    is_unknown[which] = np.isnan(likeness).all(axis=1)
    # Shifted, so that a pair that is just accepted is still worth more than no pair.
    benefit = np.minimum(likeness - step.config.similarity_accept + 1.0, 1e6)
    for row, column in zip(*assign(benefit, 1.0), strict=True):
        _bring_back(step, int(which[row]), int(gone[column]))
    return is_unknown


def _gone(step: Step) -> NDArray[np.int64]:
    """Numbers of the lost tracks, and of coasting ones that were away long enough to be somewhere else."""
    live = step.table.live
    is_away = (live["stage"] == COASTING) & (step.now_s - live["seen_s"] >= step.config.doubt_after_s)
    return np.concatenate([step.table.lost["number"], live["number"][is_away]])


def _bring_back(step: Step, detection: int, number: int) -> None:
    young = int(step.sight.owner[detection])
    if young >= 0:
        step.table.hand_over(young, number)
        step.events.merge(young, number)
    else:
        seen = first_belief(step.sight.measurements[detection : detection + 1], step.config.motion)
        step.table.bring_back(number, seen, step.now_s)
    step.sight.owner[detection] = number
    step.events.recovered.append(number)
