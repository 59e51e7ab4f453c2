"""Rows move between the tables and are in one of them."""

from __future__ import annotations

import numpy as np
import pytest

from crystaledge.errors import StateError
from crystaledge.tracking.config import MotionNoise
from crystaledge.tracking.motion import first_belief
from crystaledge.tracking.rows import CONFIRMED, LOST, new_rows
from crystaledge.tracking.table import TrackTable
from tests.support.messages import message_of

NOISE = MotionNoise()
PLACE = np.array([[10.0, 20.0, 3.0, 3.0]])


def a_table(*numbers: int) -> TrackTable:
    table = TrackTable.empty()
    table.add(new_rows(list(numbers), np.repeat(PLACE, len(numbers), axis=0), 1.0, NOISE))
    return table


def test_a_track_is_lost_and_brought_back() -> None:
    table = a_table(3, 4)
    table.lose(np.array([True, False]))
    assert table.live["number"].tolist() == [4] and table.lost["stage"].tolist() == [LOST]
    table.bring_back(3, first_belief(PLACE + 5, NOISE), 7.0)
    assert table.live["number"].tolist() == [4, 3] and len(table.lost) == 0
    row = table.row(3)
    assert (row["stage"][0], row["hits"][0], row["seen_s"][0], row["born_s"][0]) == (CONFIRMED, 2, 7.0, 1.0)
    assert (row["observed"] == PLACE + 5).all()


def test_a_number_is_handed_over_with_its_past() -> None:
    table = a_table(3, 4)
    table.row(3)["born_s"], table.row(4)["hits"] = 0.5, 9
    table.lose(np.array([True, False]))
    table.hand_over(4, into=3)
    row = table.row(3)
    assert table.all()["number"].tolist() == [3]
    assert (row["stage"][0], row["hits"][0], row["born_s"][0]) == (CONFIRMED, 10, 0.5)


def test_a_copy_stays_as_it_is() -> None:
    table = a_table(3)
    copy = table.copy()
    table.row(3)["hits"] = 99
    table.remove(3)
    assert copy.row(3)["hits"][0] == 1


def test_a_table_of_rows_knows_who_is_lost() -> None:
    rows = a_table(1, 2).all()
    rows["stage"][1] = LOST
    table = TrackTable.of(rows)
    assert table.live["number"].tolist() == [1] and table.lost["number"].tolist() == [2]


def test_who_is_not_there_is_refused() -> None:
    with pytest.raises(StateError) as raised:
        a_table(1).row(2)
    assert message_of(raised) == "There is no track 2; it never was, or has ended."
