"""New tracks, and two tracks of one face."""

from __future__ import annotations

from crystaledge.tracking.config import TrackerConfig
from tests.runtime.tracking.faces import FRAME_S, faces, follow, new_tracker, settle


def test_new_numbers_go_from_left_to_right() -> None:
    update = new_tracker().update(faces((500, 100), (100, 100), (300, 100)), 0.0)
    assert update.numbers.tolist() == [2, 0, 1] and update.born == (0, 1, 2)


def test_a_second_box_of_a_face_gives_no_birth() -> None:
    tracker = new_tracker()
    settle(tracker, (100, 100))
    update = tracker.update(faces((100, 100), (106, 100)), 0.2)
    assert sorted(update.numbers.tolist()) == [-1, 0] and update.born == ()


def test_a_face_beside_another_is_born() -> None:
    tracker = new_tracker()
    settle(tracker, (100, 100))
    assert tracker.update(faces((100, 100), (150, 100)), 0.2).numbers.tolist() == [0, 1]


def test_two_tracks_of_one_face_become_the_older_one() -> None:
    tracker = new_tracker(TrackerConfig(duplicate_s=0.5))
    settle(tracker, (100, 100), (170, 100))
    updates = follow(tracker, [faces((170, 100), (max(100 + 4 * i, 164), 100)) for i in range(17)], start_s=0.2)
    updates += follow(tracker, [faces((170, 100), (164, 100))] * 30, start_s=0.2 + 17 * FRAME_S)
    (merged,) = (u for u in updates if u.merged)
    assert merged.merged == ((1, 0),) and merged.ended == (1,) and sorted(merged.numbers.tolist()) == [-1, 0]
    assert all(u.born == () for u in updates) and tracker.live == (0,)


def test_faces_that_only_pass_each_other_stay_two() -> None:
    tracker = new_tracker(TrackerConfig(duplicate_s=0.5))
    frames = [faces((100 + 5 * i, 100), (400 - 5 * i, 110)) for i in range(60)]
    updates = follow(tracker, frames)
    assert all(u.merged == () for u in updates)
    assert updates[-1].numbers.tolist() == updates[5].numbers.tolist()


def test_three_tracks_of_one_face_become_one() -> None:
    tracker = new_tracker(TrackerConfig(duplicate_s=0.2))
    settle(tracker, (100, 100), (150, 100), (200, 100))
    frames = [faces((150, 100), (100 + min(3 * i, 46), 100), (200 - min(3 * i, 46), 100)) for i in range(40)]
    updates = follow(tracker, frames, start_s=0.2)
    merged = [pair for u in updates for pair in u.merged]
    assert sorted(young for young, _ in merged) == [1, 2] and {old for _, old in merged} == {0}
    assert tracker.live == (0,)
