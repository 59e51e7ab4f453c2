"""A tracker's state as values that encode to JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from crystaledge.errors import StateError
from crystaledge.jsonio import Bounds
from crystaledge.tracking.clock import Clock
from crystaledge.tracking.motion import COV, SPEED_VAR, VAR
from crystaledge.tracking.rows import ROW, Rows, Stage

Natural = Annotated[int, Bounds(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRecord:
    """One track; where a face was is personal data.

    Raises:
        StateError: `observed` or `belief` is not what a track can hold.
    """

    number: Natural
    stage: Stage
    hits: Natural
    occluded: bool
    born_s: float
    seen_s: float
    looked_s: float
    doubled_s: float | None
    observed: tuple[float, ...]
    """Last detection: centre in pixels, logarithm of width and height."""
    belief: tuple[float, ...]
    """Five planes of four dimensions, row by row; see `crystaledge.tracking.motion`."""

    def __post_init__(self) -> None:
        if len(self.observed) != 4 or len(self.belief) != 20:
            msg = f"Track {self.number} has {len(self.observed)} + {len(self.belief)} values; expected 4 + 20."
            raise StateError(msg)
        if not all(map(math.isfinite, (*self.observed, *self.belief))):
            msg = f"Track {self.number} holds NaN or infinity; expected finite values."
            raise StateError(msg)
        belief = np.array(self.belief).reshape(5, 4)
        if not ((belief[VAR] > 0).all() and (belief[SPEED_VAR] > 0).all()):
            msg = f"Track {self.number} has a variance that is not positive; the state file is damaged."
            raise StateError(msg)
        if not (belief[COV] ** 2 <= belief[VAR] * belief[SPEED_VAR] * (1 + 1e-9)).all():
            msg = f"Track {self.number} has a covariance beyond its variances; the state file is damaged."
            raise StateError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerState:
    """A tracker at rest.

    Raises:
        StateError: a number occurs twice, or is not below `next_number`.
    """

    now_s: Annotated[float, Bounds(0.0)]
    source_s: float | None
    next_number: Natural
    tracks: tuple[TrackRecord, ...]

    def __post_init__(self) -> None:
        numbers = [track.number for track in self.tracks]
        if len(set(numbers)) != len(numbers) or max(numbers, default=-1) >= self.next_number:
            msg = f"Tracks {numbers} must have different numbers below {self.next_number}; the state file is damaged."
            raise StateError(msg)


def record(clock: Clock, next_number: int, rows: Rows) -> TrackerState:
    """The state with these rows."""
    return TrackerState(
        now_s=clock.now_s,
        source_s=clock.source_s,
        next_number=next_number,
        tracks=tuple(_track(row) for row in rows),
    )


def rows_of(state: TrackerState) -> Rows:
    """The rows that a state was recorded from."""
    rows = np.zeros(len(state.tracks), ROW)
    for row, track in zip(rows, state.tracks, strict=True):
        for name in ("number", "stage", "hits", "occluded", "born_s", "seen_s", "looked_s", "observed"):
            row[name] = getattr(track, name)
        row["doubled_s"] = np.nan if track.doubled_s is None else track.doubled_s
        row["belief"] = np.array(track.belief).reshape(5, 4)
    return rows


def _track(row: Rows) -> TrackRecord:
    doubled_s = float(row["doubled_s"])
    return TrackRecord(
        number=int(row["number"]),
        stage=Stage(int(row["stage"])),
        hits=int(row["hits"]),
        occluded=bool(row["occluded"]),
        born_s=float(row["born_s"]),
        seen_s=float(row["seen_s"]),
        looked_s=float(row["looked_s"]),
        doubled_s=None if math.isnan(doubled_s) else doubled_s,
        observed=tuple(row["observed"].tolist()),
        belief=tuple(row["belief"].ravel().tolist()),
    )
