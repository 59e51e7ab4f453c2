"""What time and detections do to tracks that are there: confirmed, coasting, lost, ended."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystaledge.tracking.motion import corrected, corrected_across, shapes_of
from crystaledge.tracking.overlap import cover
from crystaledge.tracking.rows import COASTING, CONFIRMED, TENTATIVE, see
from crystaledge.tracking.step import Step

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def age(step: Step) -> None:
    """Lose, or end, what was not seen for too long."""
    table, events, config, now = step.table, step.events, step.config, step.now_s
    live = table.live
    is_tentative = live["stage"] == TENTATIVE
    limit = np.where(live["occluded"], config.occluded_coast_s, config.coast_s)
    is_lost = (now - live["seen_s"] > limit) & ~is_tentative
    is_late = (now - live["born_s"] > config.birth_window_s) & (live["hits"] < config.birth_hits)
    is_stillborn = is_tentative & (is_late | (now - live["seen_s"] > config.birth_window_s))
    if is_lost.any():
        events.lost += live["number"][is_lost].tolist()
        table.lose(is_lost)
        is_stillborn = is_stillborn[~is_lost]
    if is_stillborn.any():
        events.ended += table.live["number"][is_stillborn].tolist()
        table.live = table.live[~is_stillborn]
    is_dead = now - table.lost["seen_s"] > config.lost_s
    if is_dead.any():
        events.ended += table.lost["number"][is_dead].tolist()
        table.lost = table.lost[~is_dead]


def lose_all(step: Step) -> None:
    """Nobody is where they were: lose the confirmed tracks, end the tentative ones."""
    table, events = step.table, step.events
    is_tentative = table.live["stage"] == TENTATIVE
    events.ended += table.live["number"][is_tentative].tolist()
    table.live = table.live[~is_tentative]
    events.lost += table.live["number"].tolist()
    table.lose(np.ones(len(table.live), np.bool_))


def learn(step: Step, belief: Array, matched: NDArray[np.int64]) -> None:
    """Correct the tracks that were detected, and note whose they are.

    Args:
        belief: what was predicted for the live tracks `(n, 5, 4)`.
        matched: live row of each detection `(len(sight),)`; -1 for none.
    """
    live, sight, noise = step.table.live, step.sight, step.config.motion
    which = (matched >= 0).nonzero()[0]
    rows = matched[which]
    found = sight.measurements[which]
    is_low = sight.is_low[which]
    worse = np.where(is_low, noise.low_score_factor, 1.0) if is_low.any() else None
    learned = corrected(belief[rows], found, noise, worse=worse)
    gap_s = step.now_s - live["seen_s"][rows]
    again = (gap_s >= step.config.reupdate_after_s) & (live["stage"][rows] == COASTING)
    if again.any():
        late = rows[again]
        learned[again] = corrected_across(
            live["belief"][late], live["observed"][late], found[again], gap_s[again], noise
        )
    see(live, rows, found, learned, step.now_s)
    live["hits"][rows] += 1
    sight.owner[which] = live["number"][rows]


def tell_who_is_in_view(step: Step, matched: NDArray[np.int64]) -> None:
    """Begin to coast with tracks that were not detected, and end that for those that are again."""
    live, events = step.table.live, step.events
    stage, number = live["stage"], live["number"]
    is_seen = np.zeros(len(live), np.bool_)
    is_seen[matched[matched >= 0]] = True
    is_back = is_seen & (stage == COASTING)
    is_gone = ~is_seen & (stage == CONFIRMED)
    for mask, told, new in (
        (is_back, events.recovered, CONFIRMED),
        (is_gone, events.coasting, COASTING),
    ):
        if mask.any():
            told += number[mask].tolist()
            stage[mask] = new


def note_occlusions(step: Step, belief: Array) -> None:
    """Mark tracks that are out of view because one in view covers them.

    Args:
        belief: what was predicted for the live tracks `(n, 5, 4)`, rows as they are now.
    """
    live = step.table.live
    hidden = (live["stage"] == COASTING).nonzero()[0]
    shown = (live["stage"] == CONFIRMED).nonzero()[0]
    if len(hidden) and len(shown):
        covered = cover(shapes_of(belief[hidden]), shapes_of(live["belief"][shown])).max(axis=1)
        live["occluded"][hidden] |= covered >= step.config.occlusion_cover


def confirm(step: Step, unknown: NDArray[np.int64]) -> None:
    """Confirm tentative tracks that were detected often enough.

    Args:
        unknown: numbers of tracks that may be somebody who is away, which nobody can tell yet.
    """
    live, config = step.table.live, step.config
    is_ready = (live["stage"] == TENTATIVE) & (live["hits"] >= config.birth_hits) & (live["seen_s"] == step.now_s)
    if len(unknown) and is_ready.any():
        is_ready &= ~(np.isin(live["number"], unknown) & (step.now_s - live["born_s"] < config.patience_s))
    if is_ready.any():
        live["stage"][is_ready] = CONFIRMED
        step.events.confirmed += live["number"][is_ready].tolist()
