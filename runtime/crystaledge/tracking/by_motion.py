"""Which detection continues which track, by where the track must be; appearance is heard where that does not decide."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystaledge.tracking.assignment import assign
from crystaledge.tracking.config import TrackerConfig
from crystaledge.tracking.motion import VAR, shapes_of
from crystaledge.tracking.overlap import buffered_iou
from crystaledge.tracking.rows import COASTING, TENTATIVE
from crystaledge.tracking.step import Step

Array = NDArray[np.float64]


def match_by_motion(step: Step, belief: Array) -> NDArray[np.int64]:
    """The live row that each detection continues, `(len(sight),)`; -1 for none.

    High-score detections choose among all tracks first, low-score ones among the confirmed tracks
    that are left: a face that is half hidden scores low, a false alarm is seldom where a face must
    be (ByteTrack, Zhang et al., ECCV 2022, algorithm 1).

    Args:
        belief: what is predicted for this frame `(len(live), 5, 4)`.
    """
    stages, sight, config = step.table.live["stage"], step.sight, step.config
    matched = np.full(len(sight), -1, np.int64)
    if not (len(stages) and len(sight)):
        return matched
    benefit = _overlap(belief, sight.shapes, stages == COASTING, config)
    if step.similarity is not None:
        benefit = _with_appearance(step, benefit)
    high, low = sight.is_high.nonzero()[0], sight.is_low.nonzero()[0]
    taken, column = assign(benefit[:, high], config.overlap_gate)
    matched[high[column]] = taken
    if len(low):
        is_free = stages != TENTATIVE
        is_free[taken] = False
        free = is_free.nonzero()[0]
        taken, column = assign(benefit[np.ix_(free, low)], config.low_overlap_gate)
        matched[low[column]] = free[taken]
    return matched


def _overlap(belief: Array, shapes: Array, is_coasting: NDArray[np.bool_], config: TrackerConfig) -> Array:
    """IoU, widened by how uncertain the prediction is; less for tracks that are not in view."""
    expected = shapes_of(belief)
    sd = np.sqrt(belief[:, VAR, :2].max(axis=1) / (4.0 * expected[:, 2] * expected[:, 3]))  # in face sizes
    buffer = np.minimum(np.maximum(config.buffer_sd * sd, config.buffer_min), config.buffer_max)
    trust = np.where(is_coasting, config.unseen_trust, 1.0)
    return buffered_iou(expected, shapes, buffer) * trust[:, None]


def _with_appearance(step: Step, benefit: Array) -> Array:
    """Benefits that count appearance for tracks back from a gap, and where two tracks may have one detection."""
    live, config = step.table.live, step.config
    possible = (benefit >= config.overlap_gate) & (live["stage"] != TENTATIVE)[:, None] & step.sight.is_high
    was_away = step.now_s - live["seen_s"] >= config.doubt_after_s
    in_doubt = possible & (was_away[:, None] | (possible.sum(axis=0) > 1))
    who = in_doubt.any(axis=1).nonzero()[0]
    if not len(who):
        return benefit
    which = possible[who].any(axis=0).nonzero()[0]
    block = np.ix_(who, which)
    likeness = np.nan_to_num(step.similarity_of(which, live["number"][who]).T, nan=0.0)
    weight = config.similarity_weight * np.clip(likeness / config.similarity_accept, -1.0, 1.0)
    # What motion allows stays allowed, however it looks, unless it looks like somebody else.
    heard = np.maximum(benefit[block] + weight, config.overlap_gate)
    heard[likeness <= config.similarity_reject] = 0.0
    result = benefit.copy()
    result[block] = np.where(possible[block], heard, benefit[block])
    return result
