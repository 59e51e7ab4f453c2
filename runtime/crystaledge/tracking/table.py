"""The rows of all tracks: those that are predicted, and those that appearance alone can bring back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import StateError
from crystaledge.tracking.motion import MEAN
from crystaledge.tracking.rows import CONFIRMED, LOST, ROW, TENTATIVE, Rows, see


def _no_rows() -> Rows:
    return np.zeros(0, ROW)


@dataclass(slots=True)
class TrackTable:
    """Rows in any order; a number is in one of the two tables, once."""

    live: Rows
    """Tentative, confirmed, coasting."""
    lost: Rows

    @classmethod
    def of(cls, rows: Rows) -> TrackTable:
        """A table of these rows; they are copied."""
        is_lost = rows["stage"] == LOST
        return cls(rows[~is_lost], rows[is_lost])

    @classmethod
    def empty(cls) -> TrackTable:
        """A table without tracks."""
        return cls(_no_rows(), _no_rows())

    def copy(self) -> TrackTable:
        """A table to change while this one stays."""
        return TrackTable(self.live.copy(), self.lost.copy())

    def all(self) -> Rows:
        """A copy of every row."""
        return np.concatenate([self.live, self.lost])

    def row(self, number: int) -> Rows:
        """A track's row as a view `(1,)`, in whichever table.

        Raises:
            StateError: there is no such track.
        """
        for rows in (self.live, self.lost):
            (found,) = np.nonzero(rows["number"] == number)
            if len(found):
                return rows[found[0] : found[0] + 1]
        msg = f"There is no track {number}; it never was, or has ended."
        raise StateError(msg)

    def remove(self, number: int) -> None:
        """Take a track out, if it is there."""
        self.live = self.live[self.live["number"] != number]
        self.lost = self.lost[self.lost["number"] != number]

    def lose(self, which: NDArray[np.bool_]) -> None:
        """Move live rows to the lost ones."""
        gone = self.live[which]
        gone["stage"] = LOST
        self.live, self.lost = self.live[~which], np.concatenate([self.lost, gone])

    def add(self, rows: Rows) -> None:
        """Put in rows of live tracks."""
        self.live = np.concatenate([self.live, rows])

    def bring_back(self, number: int, belief: NDArray[np.float64], now_s: float) -> None:
        """Put a track that was away into view, with what one detection tells `(1, 5, 4)`."""
        row = self.row(number).copy()
        self.remove(number)
        row["stage"] = CONFIRMED
        row["hits"] += 1
        see(row, np.zeros(1, np.int64), belief[:, MEAN], belief, now_s)
        self.add(row)

    def hand_over(self, track: int, into: int) -> None:
        """Let a live track go on under the number, and with the past, of one that is not in view."""
        earlier = self.row(into).copy()
        self.remove(into)
        row = self.row(track)
        row["number"], row["born_s"] = into, earlier["born_s"]
        row["hits"] += earlier["hits"]
        if row["stage"][0] == TENTATIVE:
            row["stage"] = CONFIRMED
