"""Stages of a track's life, and what each update tells of them."""

from __future__ import annotations

import pytest

from crystaledge.tracking.config import TrackerConfig
from crystaledge.tracking.rows import Stage
from tests.runtime.tracking.faces import FRAME_S, both, faces, follow, likeness, new_tracker, settle

CONFIG = TrackerConfig(coast_s=0.4, occluded_coast_s=1.2, lost_s=3.0)


def test_a_life() -> None:
    tracker = new_tracker(CONFIG)
    first, second, third, fourth = follow(tracker, [faces((100, 100))] * 4)
    assert first.born == (0,) and first.stages == (Stage.TENTATIVE,) and first.confirmed == ()
    assert second.stages == (Stage.TENTATIVE,)
    assert third.confirmed == (0,) and third.stages == (Stage.CONFIRMED,)
    assert fourth.confirmed == fourth.born == ()
    told = {s: tracker.update(faces(), s) for s in (0.16, 0.2, 0.5, 0.6, 1.0, 3.1, 3.2, 3.3)}
    assert {s: u.coasting for s, u in told.items() if u.coasting} == {0.16: (0,)}
    assert {s: u.lost for s, u in told.items() if u.lost} == {0.6: (0,)}, "seen at 0.12"
    assert {s: u.ended for s, u in told.items() if u.ended} == {3.2: (0,)}
    assert tracker.live == tracker.lost == ()


def test_one_detection_may_be_enough() -> None:
    update = new_tracker(TrackerConfig(birth_hits=1)).update(faces((100, 100)), 0.0)
    assert update.born == update.confirmed == (0,) and update.stages == (Stage.CONFIRMED,)


@pytest.mark.parametrize(("gap_s", "confirmed"), [(0.2, True), (0.3, False)])
def test_a_birth_has_its_window(gap_s: float, confirmed: bool) -> None:
    tracker = new_tracker(TrackerConfig(birth_hits=3, birth_window_s=0.5))
    last = [tracker.update(faces((100, 100)), i * gap_s) for i in range(3)][-1]
    assert (last.confirmed == (0,)) is confirmed
    assert (last.ended == (0,)) is not confirmed
    assert last.born == (() if confirmed else (1,))


def test_a_false_alarm_ends_and_is_told_once() -> None:
    tracker = new_tracker()
    tracker.update(faces((100, 100)), 0.0)
    updates = [tracker.update(faces(), i * 0.1) for i in range(1, 12)]
    assert [u.ended for u in updates if u.ended] == [(0,)]
    assert all(u.coasting == u.lost == () for u in updates)


def test_low_scores_give_no_birth_but_keep_a_track_alive() -> None:
    tracker = new_tracker(CONFIG)
    assert all(u.born == () for u in follow(tracker, [faces((300, 300), score=0.5)] * 10))
    (number,) = settle(tracker, (100, 100), start_s=1.0).numbers
    for i in range(40):
        update = tracker.update(faces((100, 100), score=0.3), 1.2 + i * FRAME_S)
        assert update.numbers.tolist() == [number] and update.stages == (Stage.CONFIRMED,)
    assert tracker.update(faces((100, 100), score=0.05), 3.0).numbers.tolist() == [-1]


def test_low_scores_do_not_confirm() -> None:
    tracker = new_tracker()
    tracker.update(faces((100, 100)), 0.0)
    updates = follow(tracker, [faces((100, 100), score=0.5)] * 20, start_s=FRAME_S)
    assert all(u.confirmed == () for u in updates) and tracker.live == ()


def test_a_clock_that_leaps_loses_and_ends_at_once() -> None:
    tracker = new_tracker(CONFIG)
    settle(tracker, (100, 100))
    update = tracker.update(faces((100, 100)), 1e6)
    assert update.lost == update.ended == (0,) and update.born == (1,)


def test_a_track_that_is_seen_again_is_recovered() -> None:
    tracker = new_tracker(CONFIG)
    (number,) = settle(tracker, (100, 100)).numbers
    tracker.update(faces(), 0.2)
    assert tracker.stage(int(number)) is Stage.COASTING
    update = tracker.update(faces((100, 100)), 0.24)
    assert update.recovered == (number,) and update.numbers.tolist() == [number]


def test_a_face_behind_another_coasts_longer_and_comes_back_under_its_number() -> None:
    tracker = new_tracker(CONFIG)
    near = faces((400, 300), size=160)
    for i in range(30):  # a small face walks behind a large one at 150 pixels a second
        update = tracker.update(both(near, faces((220 + 6 * i, 300))), i * FRAME_S)
    front, back = update.numbers.tolist()
    assert front != back
    updates = [tracker.update(near, (30 + i) * FRAME_S) for i in range(20)]  # hidden for 0.8 s, twice `coast_s`
    assert all(u.numbers.tolist() == [front] and u.lost == () for u in updates)
    update = tracker.update(both(near, faces((220 + 6 * 50, 300))), 50 * FRAME_S)
    assert update.numbers.tolist() == [front, back] and update.recovered == (back,)


def test_without_a_face_in_front_the_same_gap_is_too_long() -> None:
    tracker = new_tracker(CONFIG)
    follow(tracker, [faces((220 + 6 * i, 300)) for i in range(30)])
    updates = [tracker.update(faces(), (30 + i) * FRAME_S) for i in range(20)]
    assert [u.lost for u in updates if u.lost] == [(0,)]


def test_after_a_gap_the_velocity_is_learned_across_it() -> None:
    anew, as_ever = (new_tracker(TrackerConfig(reupdate_after_s=s)) for s in (0.2, 1e6))
    for tracker in (anew, as_ever):
        follow(tracker, [faces((100 + 4 * i, 200)) for i in range(25)])  # to the right, last at 196
        tracker.update(faces(), 1.0)
        update = tracker.update(faces((196, 200)), 24 * FRAME_S + 0.4)  # it had stopped behind something
        assert update.recovered == (0,)
    ahead = [float(t.predict(24 * FRAME_S + 1.4)[0, [0, 2]].mean()) for t in (anew, as_ever)]
    assert abs(ahead[0] - 196) < 10 and abs(ahead[0] - 196) < abs(ahead[1] - 196)


def test_after_a_cut_nobody_is_where_they_were() -> None:
    tracker = new_tracker(CONFIG)
    settle(tracker, (100, 100))
    tracker.update(faces((100, 100), (400, 100)), 0.2)  # track 1 is tentative
    update = tracker.update(faces((100, 100), (400, 100)), 0.24, cut=True)
    assert update.lost == (0,) and update.ended == (1,) and update.born == (2, 3)
    assert tracker.lost == (0,) and tracker.live == (2, 3)


def test_after_a_cut_appearance_brings_people_back() -> None:
    tracker = new_tracker(CONFIG)
    settle(tracker, (100, 100))
    update = tracker.update(faces((700, 400)), 0.2, cut=True, similarity=likeness({0: {0: 9.0}}))
    assert update.numbers.tolist() == [0] and update.recovered == (0,)
