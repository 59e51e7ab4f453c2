"""Which detection continues which track, where two may."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge.tracking.config import TrackerConfig
from crystaledge.tracking.rows import Stage
from tests.runtime.tracking.faces import FRAME_S, both, faces, follow, likeness, new_tracker, settle


def test_pairs_are_the_best_together() -> None:
    tracker = new_tracker()
    settle(tracker, (100, 100), (150, 100))
    # The face at 130 is nearest to track 1, which has a better one at 175: both moved to the right.
    assert tracker.update(faces((130, 100), (175, 100)), 0.2).numbers.tolist() == [0, 1]


def test_high_scores_choose_first() -> None:
    tracker = new_tracker()
    settle(tracker, (100, 100))
    update = tracker.update(both(faces((101, 100), score=0.3), faces((112, 100), score=0.9)), 0.2)
    assert update.numbers.tolist() == [-1, 0]


def test_low_scores_continue_no_tentative_track() -> None:
    tracker = new_tracker()
    tracker.update(faces((100, 100)), 0.0)
    assert tracker.stage(0) is Stage.TENTATIVE
    assert tracker.update(faces((100, 100), score=0.3), FRAME_S).numbers.tolist() == [-1]


def test_low_scores_have_to_fit_better() -> None:
    tracker = new_tracker(TrackerConfig(overlap_gate=0.1, low_overlap_gate=0.6))
    settle(tracker, (100, 100))
    assert tracker.update(faces((130, 100), score=0.3), 0.2).numbers.tolist() == [-1]
    assert tracker.update(faces((130, 100), score=0.9), 0.2).numbers.tolist() == [0]


def test_a_fast_face_is_followed_from_its_second_frame_on() -> None:
    tracker = new_tracker()
    updates = follow(tracker, [faces((100 + 20 * i, 100)) for i in range(20)])  # 8 sizes a second
    assert {n for u in updates for n in u.numbers.tolist()} == {0}


def test_a_far_face_is_nobody_known() -> None:
    tracker = new_tracker()
    settle(tracker, (100, 100))
    assert tracker.update(faces((300, 100)), 0.2).born == (1,)


def test_two_who_cross_keep_their_numbers() -> None:
    tracker = new_tracker()
    updates = follow(tracker, [faces((100 + 4 * i, 100), (500 - 4 * i, 125)) for i in range(100)])
    assert {tuple(u.numbers.tolist()) for u in updates} == {(0, 1)}


@pytest.mark.parametrize(("likes", "expected"), [(-9.0, 1), (float("nan"), 0), (9.0, 0), (-1.0, 0)])
def test_appearance_has_a_veto_after_a_gap(likes: float, expected: int) -> None:
    tracker = new_tracker(TrackerConfig(similarity_reject=-3.0))
    settle(tracker, (100, 100))
    tracker.update(faces(), 0.2)
    update = tracker.update(faces((103, 100)), 0.7, similarity=likeness({0: {0: likes}}))
    assert update.numbers.tolist() == [expected]


def test_appearance_decides_who_is_who_after_both_were_hidden() -> None:
    for swapped in (False, True):
        tracker = new_tracker()
        settle(tracker, (100, 100), (160, 100))
        tracker.update(faces(), 0.2)
        table = {0: {int(swapped): 5.0, 1 - swapped: -5.0}, 1: {int(swapped): -5.0, 1 - swapped: 5.0}}
        update = tracker.update(faces((115, 100), (145, 100)), 0.7, similarity=likeness(table))
        assert update.numbers.tolist() == ([1, 0] if swapped else [0, 1])


def test_where_motion_decides_nobody_is_asked() -> None:
    tracker = new_tracker()
    settle(tracker, (100, 100), (400, 100))
    update = tracker.update(faces((101, 100), (402, 100)), 0.2, similarity=_refuse)
    assert update.numbers.tolist() == [0, 1]


def _refuse(rows: Sequence[int], tracks: Sequence[int]) -> NDArray[np.float64]:
    pytest.fail("asked without need")
