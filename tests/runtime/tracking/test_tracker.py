"""The tracker's promises, whatever the detector says: one number for each face, none twice, order does not matter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.detections import Detections
from crystaledge.errors import ContractError, StateError, UsageError
from crystaledge.tracking.config import TrackerConfig
from crystaledge.tracking.ids import TrackIds
from crystaledge.tracking.rows import Stage
from crystaledge.tracking.sight import Similarity
from crystaledge.tracking.tracker import FaceTracker
from crystaledge.tracking.update import Update
from tests.runtime.tracking.faces import FRAME_S, faces, follow, new_tracker, settle
from tests.support.messages import message_of

SEEDS = st.integers(0, 10_000)
QUICK = TrackerConfig(coast_s=0.3, occluded_coast_s=0.5, lost_s=1.0, birth_window_s=0.3, duplicate_s=0.1)
"""Short limits, so that a few frames see every stage of a life."""


def some_frames(random: np.random.Generator, count: int = 30) -> list[tuple[Detections, float]]:
    """Faces that come, go, meet and jump, any scores, and a clock that stands still, leaps and jumps back."""
    homes, time_s, frames = random.uniform(0, 300, (5, 2)), 0.0, []
    for _ in range(count):
        homes += random.normal(0, 6, homes.shape)
        shown = homes[random.random(5) < 0.7] if random.random() < 0.9 else homes[:0]
        boxes = np.concatenate([shown, shown + random.uniform(20, 90, shown.shape)], axis=1).astype(np.float32)
        frames.append((Detections(boxes, random.uniform(0, 1, len(boxes)).astype(np.float32)), time_s))
        time_s += random.choice([FRAME_S, FRAME_S, FRAME_S, 0.0, 0.2, 0.45, 1.5, -3.0])
    return frames


def some_similarity(seed: int) -> Similarity:
    """Answers that depend on the place of the question alone, unknown now and then."""

    def ask(rows: Sequence[int], tracks: Sequence[int]) -> NDArray[np.float64]:
        answer = np.random.default_rng([seed, len(rows), len(tracks)]).normal(0, 5, (len(rows), len(tracks)))
        return np.where(np.abs(answer) < 1, np.nan, answer)

    return ask


def check_update(tracker: FaceTracker, detections: Detections, update: Update) -> None:
    given_now = update.numbers[update.numbers >= 0].tolist()
    assert update.numbers.shape == (len(detections),) and len(set(given_now)) == len(given_now)
    assert (update.numbers[detections.score < TrackerConfig().low_score] == -1).all()
    for number, stage in zip(update.numbers.tolist(), update.stages, strict=True):
        assert (stage is None) == (number < 0)
        assert stage is None or (stage is tracker.stage(number) and stage in (Stage.TENTATIVE, Stage.CONFIRMED))
    assert not set(tracker.live) & set(tracker.lost) and not set(tracker.live + tracker.lost) & set(update.ended)
    assert len(set(tracker.live)) == len(tracker.live)
    assert {a for a, _ in update.merged} <= set(update.ended)
    assert {b for _, b in update.merged} <= set(tracker.live + tracker.lost)


@given(SEEDS, st.booleans())
@settings(max_examples=30, deadline=None)
def test_numbers_are_unique_and_never_used_again(seed: int, appearance: bool) -> None:
    tracker, known, ended = new_tracker(QUICK), set[int](), set[int]()
    for detections, time_s in some_frames(np.random.default_rng(seed)):
        update = tracker.update(detections, time_s, similarity=some_similarity(seed) if appearance else None)
        check_update(tracker, detections, update)
        assert not set(update.born) & known and len(set(update.born)) == len(update.born)
        known |= set(update.born)
        ended_now = set(update.ended)
        assert len(ended_now) == len(update.ended) and not ended_now & ended and ended_now <= known
        ended |= ended_now
        assert known == set(tracker.live) | set(tracker.lost) | ended, "every number is somewhere"
        assert np.isfinite(tracker.predict(time_s + 1)).all()


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_the_order_of_detections_changes_nothing_but_the_order_of_the_answer(seed: int) -> None:
    random = np.random.default_rng(seed)
    tracker, other = new_tracker(QUICK), new_tracker(QUICK)
    for detections, time_s in some_frames(random):
        order = random.permutation(len(detections))
        update = tracker.update(detections, time_s)
        permuted = other.update(Detections(detections.box_xyxy[order], detections.score[order]), time_s)
        assert (permuted.numbers == update.numbers[order]).all()
        assert permuted.stages == tuple(update.stages[i] for i in order)
        for name in ("born", "confirmed", "coasting", "lost", "recovered", "ended", "merged"):
            assert getattr(permuted, name) == getattr(update, name)


@given(SEEDS, st.lists(st.integers(1, 36), min_size=1, max_size=20))
@settings(max_examples=25, deadline=None)
def test_a_still_face_keeps_its_number_whatever_frames_are_dropped(seed: int, gaps: list[int]) -> None:
    config, random = TrackerConfig(coast_s=1.5), np.random.default_rng(seed)
    tracker = new_tracker(config)
    (number,) = settle(tracker, (200, 200)).numbers
    time_s = 4 * FRAME_S
    for gap in gaps:  # each at most 1.44 s, empty or dropped
        for step in range(1, gap):
            if random.random() < 0.5:
                tracker.update(faces(), time_s + step * FRAME_S)
        time_s += gap * FRAME_S
        update = tracker.update(faces(tuple(200 + random.normal(0, 2, 2))), time_s)
        assert update.numbers.tolist() == [number] and update.stages == (Stage.CONFIRMED,)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_several_cameras_share_numbers(seed: int) -> None:
    ids, taken = TrackIds(7), list[int]()
    cameras = [new_tracker(QUICK, ids) for _ in range(3)]
    for camera in range(3):
        for detections, time_s in some_frames(np.random.default_rng(seed), 15):
            taken += cameras[camera].update(detections, time_s).born
    assert len(set(taken)) == len(taken) and min(taken, default=7) == 7


def test_predict_goes_on_in_a_straight_line_and_changes_nothing() -> None:
    tracker = new_tracker()
    follow(tracker, [faces((100 + 4 * i, 200)) for i in range(40)])  # 100 pixels a second
    before = tracker.state()
    box = tracker.predict(39 * FRAME_S + 0.4)
    assert box.dtype == np.float32 and box.shape == (1, 4)
    np.testing.assert_allclose(box[0], [256 + 40 - 30, 170, 256 + 40 + 30, 230], atol=8)
    assert tracker.state() == before


def test_empty_frames_are_nothing_to_worry_about() -> None:
    tracker = new_tracker()
    for update in follow(tracker, [faces()] * 3):
        assert update.numbers.tolist() == [] and update.stages == ()
    assert tracker.predict(1.0).shape == (0, 4) and tracker.live == tracker.lost == ()


def test_a_clock_that_stands_still_or_jumps_back_takes_no_time() -> None:
    tracker = new_tracker()
    (number,) = settle(tracker, (100, 100)).numbers
    for time_s in (0.16, 0.16, -1000.0, -1000.0, -999.96):
        assert tracker.update(faces((100, 100)), time_s).numbers.tolist() == [number]
    for time_s in (-999.92, -5000.0):
        assert tracker.update(faces(), time_s).lost == ()
    assert tracker.update(faces((100, 100)), -4999.96).recovered == (number,)


def test_what_raises_changes_nothing() -> None:
    tracker = new_tracker(TrackerConfig(coast_s=0.15))
    settle(tracker, (100, 100), (300, 100))
    tracker.update(faces((300, 100)), 0.3)
    before = tracker.state()

    def broken(rows: Sequence[int], tracks: Sequence[int]) -> NDArray[np.float64]:
        return np.zeros((len(rows) + 1, len(tracks)))

    with pytest.raises(ContractError) as raised:
        tracker.update(faces((500, 100)), 0.4, similarity=broken)
    assert "similarity returned (2, 1); expected (1, 1)" in message_of(raised)
    with pytest.raises(UsageError):
        tracker.update(faces((500, 100)), float("nan"))
    assert tracker.state() == before


def test_touch_lets_time_pass_without_the_track() -> None:
    tracker = new_tracker(TrackerConfig(coast_s=0.5))
    updates = follow(tracker, [faces((100 + 3 * i, 100), (400, 100)) for i in range(10)])
    first, second = updates[-1].numbers.tolist()
    place = tracker.predict(0.36)
    for time_s in (5.0, 10.0):
        tracker.touch([first], time_s)
    (kept,) = tracker.predict(10.0)[[tracker.live.index(first)]]
    np.testing.assert_allclose(kept, place[0], atol=1e-3)
    np.testing.assert_allclose(tracker.predict(10.4)[0], place[0], atol=1e-3, err_msg="it stands still")
    update = tracker.update(faces((127, 100)), 10.04)
    assert update.numbers.tolist() == [first] and update.lost == (second,)


def test_a_coasting_track_is_as_old_after_a_touch_as_before() -> None:
    tracker = new_tracker(TrackerConfig(coast_s=0.5))
    (number,) = settle(tracker, (100, 100)).numbers
    tracker.update(faces(), 0.36)  # unseen for 0.2 s
    tracker.touch([number], 60.0)
    lost = [tracker.update(faces(), time_s).lost for time_s in (60.2, 60.4)]
    assert lost == [(), (number,)]


def test_rename_takes_over_the_number_of_somebody_who_is_away() -> None:
    tracker = new_tracker(TrackerConfig(coast_s=0.2))
    (old,) = settle(tracker, (100, 100)).numbers
    new, other = settle(tracker, (400, 300), (700, 300), start_s=2.0).numbers
    assert tracker.lost == (old,)
    tracker.rename(new, old)
    assert sorted(tracker.live) == [old, other] and not tracker.lost
    update = tracker.update(faces((400, 300), (700, 300)), 2.2)
    assert update.numbers.tolist() == [old, other]
    assert update.born == update.ended == ()


def test_rename_is_refused_where_it_makes_no_sense() -> None:
    tracker = new_tracker(TrackerConfig(coast_s=0.2))
    (away,) = settle(tracker, (100, 100)).numbers
    first, second = settle(tracker, (400, 300), (700, 300), start_s=2.0).numbers.tolist()
    before = tracker.state()
    for track, into, told in (
        (first, second, "is in view"),
        (first, first, "is in view"),
        (away, first, "is lost"),
        (99, away, "There is no track 99"),
        (first, 99, "There is no track 99"),
    ):
        with pytest.raises(StateError) as raised:
            tracker.rename(track, into)
        assert told in message_of(raised)
    with pytest.raises(StateError):
        tracker.touch([first, 99], 9.0)
    assert tracker.state() == before


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_having_been_asked_where_faces_will_be_changes_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    asked, unasked = new_tracker(TrackerConfig(coast_s=0.2)), new_tracker(TrackerConfig(coast_s=0.2))
    for step in range(30):
        time_s = step * FRAME_S * (1 + 4 * (step > 15))
        seen = faces(*((100.0 + 90.0 * i + 2.0 * step, 200.0) for i in range(4) if random.random() < 0.7))
        for _ in range(random.integers(3)):
            asked.predict(time_s + random.choice([0.0, 0.3]))
        if random.random() < 0.2:
            asked.touch(asked.live, time_s)
            unasked.touch(unasked.live, time_s)
        assert asked.update(seen, time_s).numbers.tolist() == unasked.update(seen, time_s).numbers.tolist()
        assert asked.state() == unasked.state()
