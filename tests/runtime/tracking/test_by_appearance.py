"""People who come back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge.tracking.config import TrackerConfig
from crystaledge.tracking.rows import Stage
from crystaledge.tracking.tracker import FaceTracker
from tests.runtime.tracking.faces import FRAME_S, faces, follow, likeness, new_tracker, settle

NAN = float("nan")


def with_lost_tracks(config: TrackerConfig | None = None) -> FaceTracker:
    """Tracks 0 and 1 were seen up to 0.16 s and are lost."""
    tracker = new_tracker(config)
    settle(tracker, (100, 100), (300, 100))
    tracker.update(faces(), 4.0)
    assert tracker.lost == (0, 1)
    return tracker


def test_a_person_who_returns_has_the_same_number_at_once() -> None:
    tracker = with_lost_tracks()
    update = tracker.update(faces((600, 400)), 4.04, similarity=likeness({0: {0: 1.0, 1: 8.0}}))
    assert update.numbers.tolist() == [1] and update.stages == (Stage.CONFIRMED,)
    assert update.recovered == (1,) and update.born == update.ended == ()
    assert tracker.update(faces((602, 400)), 4.08).numbers.tolist() == [1], "and is followed from there"


@pytest.mark.parametrize("likes", [2.9, -8.0, NAN])
def test_who_is_not_alike_enough_is_new(likes: float) -> None:
    tracker = with_lost_tracks(TrackerConfig(similarity_accept=3.0))
    assert tracker.update(faces((600, 400)), 4.04, similarity=likeness({0: {0: likes}})).born == (2,)


def test_two_who_return_get_the_numbers_that_fit_best_together() -> None:
    tracker = with_lost_tracks()
    table = {0: {0: 9.0, 1: 8.0}, 1: {0: 8.5, 1: 3.1}}
    update = tracker.update(faces((600, 400), (800, 400)), 4.04, similarity=likeness(table))
    assert update.numbers.tolist() == [1, 0]


def test_a_young_track_that_turns_out_to_be_known_goes_on_under_the_old_number() -> None:
    tracker = with_lost_tracks()
    unknown, known = likeness({}), likeness({0: {0: 7.0}})
    updates = follow(tracker, [faces((600, 400))] * 6, start_s=4.04, similarity=unknown)
    assert updates[0].born == (2,)
    assert all(u.confirmed == () for u in updates), "patience: its number is likely to change"
    update = tracker.update(faces((600, 400)), 4.28, similarity=known)
    assert update.numbers.tolist() == [0] and update.stages == (Stage.CONFIRMED,)
    assert update.merged == ((2, 0),) and update.ended == (2,) and update.recovered == (0,)
    assert tracker.live == (0,) and tracker.lost == (1,)


def test_patience_has_an_end() -> None:
    tracker = with_lost_tracks(TrackerConfig(patience_s=0.59))
    updates = follow(tracker, [faces((600, 400))] * 20, start_s=4.04, similarity=likeness({}))
    assert [i for i, u in enumerate(updates) if u.confirmed] == [15]


def test_a_stranger_is_confirmed_without_delay() -> None:
    tracker = with_lost_tracks()
    stranger = likeness({0: {0: -5.0, 1: NAN}})
    assert follow(tracker, [faces((600, 400))] * 3, start_s=4.04, similarity=stranger)[-1].confirmed == (2,)


@pytest.mark.parametrize(("age_s", "asked"), [(1.9, True), (2.1, False)])
def test_only_newcomers_are_compared(age_s: float, asked: bool) -> None:
    tracker = with_lost_tracks(TrackerConfig(newcomer_s=2.0))
    follow(tracker, [faces((600, 400))] * int(age_s / FRAME_S), start_s=4.04)
    update = tracker.update(faces((600, 400)), 4.04 + age_s, similarity=likeness({0: {0: 9.0}}))
    assert update.numbers.tolist() == ([0] if asked else [2])


def test_rows_are_those_of_the_caller_whatever_the_order_within() -> None:
    tracker = with_lost_tracks()
    asked: list[tuple[list[int], list[int]]] = []

    def ask(rows: Sequence[int], tracks: Sequence[int]) -> NDArray[np.float64]:
        asked.append((list(rows), list(tracks)))
        return np.array([[9.0 if (row, track) in ((2, 0), (0, 1)) else -9.0 for track in tracks] for row in rows])

    update = tracker.update(faces((900, 400), (700, 400), (500, 400)), 4.04, similarity=ask)
    assert update.numbers.tolist() == [1, 2, 0]
    assert [(sorted(rows), tracks) for rows, tracks in asked] == [([0, 1, 2], [0, 1])]


def test_a_coasting_track_may_reappear_elsewhere_after_a_while() -> None:
    for gap_s, number in ((0.1, 1), (0.6, 0)):
        tracker = new_tracker(TrackerConfig(doubt_after_s=0.3))
        settle(tracker, (100, 100))
        update = tracker.update(faces((900, 500)), 0.16 + gap_s, similarity=likeness({0: {0: 9.0}}))
        if number == 0:  # it has to be missed in one frame first
            assert update.born == ()
        assert update.numbers.tolist() == [number]
