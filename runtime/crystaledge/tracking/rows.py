"""One row of numbers for each track, in one structured array."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystaledge.tracking.config import MotionNoise
from crystaledge.tracking.motion import first_belief


class Stage(IntEnum):
    """Where a track stands in its life; dead tracks have no row."""

    TENTATIVE = 0
    """Born, not yet seen often enough; may be a false alarm."""
    CONFIRMED = 1
    """Seen in the latest frame."""
    COASTING = 2
    """Not seen; predicted on."""
    LOST = 3
    """Not seen for long; known by appearance alone."""


TENTATIVE, CONFIRMED, COASTING, LOST = (int(stage) for stage in Stage)  # numpy compares with enums slowly

Rows = NDArray[Any]
"""Structured array `(n,)` of `ROW`; times are those of the tracker's `Clock`."""

ROW = np.dtype(
    [
        ("number", np.int64),
        ("stage", np.int64),
        ("hits", np.int64),  # detections so far
        ("occluded", np.bool_),  # went behind another track since it was last seen
        ("born_s", np.float64),
        ("seen_s", np.float64),  # last detection: the time that `belief` is about
        ("looked_s", np.float64),  # last update or touch
        ("doubled_s", np.float64),  # an older track has had the same box since then; NaN: none has
        ("observed", np.float64, (4,)),  # last detection, as a measurement
        ("belief", np.float64, (5, 4)),
    ]
)


def new_rows(numbers: list[int], measurements: NDArray[np.float64], now_s: float, noise: MotionNoise) -> Rows:
    """Tracks that are born from detections, measurements `(n, 4)`."""
    rows = np.zeros(len(numbers), ROW)
    rows["number"], rows["hits"] = numbers, 1
    for name in ("born_s", "seen_s", "looked_s"):
        rows[name] = now_s
    rows["doubled_s"] = np.nan
    see(rows, np.arange(len(rows)), measurements, first_belief(measurements, noise), now_s)
    return rows


def see(
    rows: Rows, which: NDArray[np.int64], measurements: NDArray[np.float64], belief: NDArray[np.float64], now_s: float
) -> None:
    """Note a detection of some tracks, and what is believed after it."""
    rows["observed"][which] = measurements
    rows["belief"][which] = belief
    rows["seen_s"][which] = now_s
    rows["occluded"][which] = False


def touch(rows: Rows, numbers: NDArray[np.int64], now_s: float) -> None:
    """Let the time since a track was looked at pass without the track: it stays where it is, as old as it was.

    A track in view was watched standing still, so its velocity is zero now.
    """
    which = np.isin(rows["number"], numbers)
    passed = now_s - rows["looked_s"][which]
    for name in ("born_s", "seen_s", "doubled_s"):
        rows[name][which] += passed
    rows["looked_s"][which] = now_s
    rows["belief"][which & (rows["stage"] <= CONFIRMED), 1] = 0.0
