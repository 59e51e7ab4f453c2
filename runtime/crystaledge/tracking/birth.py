"""Where new tracks come from, and how two tracks of one face become one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystaledge.tracking.ids import TrackIds
from crystaledge.tracking.motion import centre_half
from crystaledge.tracking.overlap import iou
from crystaledge.tracking.rows import CONFIRMED, new_rows
from crystaledge.tracking.step import Step

Mask = NDArray[np.bool_]


def unclaimed(step: Step) -> Mask:
    """High-score detections that no track claims and that are not a second box of a claimed one."""
    sight = step.sight
    is_open = sight.is_high & (sight.owner < 0)
    claimed = sight.shapes[sight.owner >= 0]
    if is_open.any() and len(claimed):
        is_open[is_open] = iou(sight.shapes[is_open], claimed).max(axis=1) < step.config.duplicate_iou
    return is_open


def bear(step: Step, candidates: Mask, ids: TrackIds) -> None:
    """Start a tentative track from each of these detections."""
    which = candidates.nonzero()[0]
    if not len(which):
        return
    numbers = [ids.take() for _ in which]
    rows = new_rows(numbers, step.sight.measurements[which], step.now_s, step.config.motion)
    step.events.born += numbers
    step.sight.owner[which] = numbers
    step.table.add(rows)


def merge_duplicates(step: Step) -> None:
    """End confirmed tracks that have had the box of an older one for long; the smaller number is the older track."""
    live, config = step.table.live, step.config
    shown = (live["stage"] == CONFIRMED).nonzero()[0]
    boxes = centre_half(live["observed"][shown])
    is_same = iou(boxes, boxes) > config.duplicate_iou
    if np.count_nonzero(is_same) <= len(shown):  # each box is the same as itself
        live["doubled_s"][shown] = np.nan
        return
    number = live["number"][shown]
    is_same &= number < number[:, None]
    since = np.where(np.isnan(live["doubled_s"][shown]), step.now_s, live["doubled_s"][shown])
    live["doubled_s"][shown] = np.where(is_same.any(axis=1), since, np.nan)
    is_ripe = is_same.any(axis=1) & (step.now_s - since >= config.duplicate_s)
    for row in sorted(is_ripe.nonzero()[0], key=lambda row: int(number[row])):
        _end(step, int(number[row]), into=int(number[is_same[row]].min()))


def _end(step: Step, number: int, *, into: int) -> None:
    """End a track that goes on as an older one, or as what that one was merged into just now."""
    into = dict(step.events.merged).get(into, into)
    step.events.merge(number, into)
    step.sight.owner[step.sight.owner == number] = -1
    step.table.remove(number)
