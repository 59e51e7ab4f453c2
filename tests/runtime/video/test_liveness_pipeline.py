"""Photographs and living faces before the whole pipeline, with its gate and its rests."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from itertools import zip_longest

import pytest

from crystaledge.bundle import Bundle
from crystaledge.errors import UsageError
from crystaledge.liveness.config import PhotoCheckConfig
from crystaledge.liveness.result import Liveness
from crystaledge.outputs.view import Stage
from crystaledge.sources.frame import Frame
from crystaledge.tracking.config import TrackerConfig
from crystaledge.video.events import FaceEvent, FaceTurn
from crystaledge.video.options import VideoOptions
from crystaledge.video.pipeline import VideoPipeline
from crystaledge.video.result import FrameResult
from tests.runtime.liveness.reachable import arrays_within
from tests.runtime.video.bright_square import LOW_SCORE, POINT_SCORE
from tests.runtime.video.faces_in_squares import frames_of, scene, speaking, square_face, still
from tests.runtime.video.squares import told, turns

CHECK = PhotoCheckConfig(threshold_px=0.8)
WATCHING = VideoOptions(liveness=CHECK)
EMPTY = scene()


def results_of(pipeline: VideoPipeline, frames: Sequence[Frame]) -> list[FrameResult]:
    """One camera, frame by frame."""
    return [result for frame in frames for result in pipeline.process([frame])]


def events_in(results: Sequence[FrameResult]) -> list[FaceEvent]:
    """All that was told."""
    return [event for result in results for event in result.events]


def verdicts(events: Sequence[FaceEvent]) -> list[tuple[int, int, str]]:
    """Frame, track and verdict of each turn of that kind."""
    found = told(events, FaceTurn.LIVENESS)
    assert all(event.liveness is not None for event in found)
    return [(event.frame, event.track, event.liveness.verdict.value) for event in found if event.liveness]


def test_a_photograph_on_a_stand_is_told_though_nothing_moves(squares: Bundle) -> None:
    with VideoPipeline.of(squares, None, WATCHING) as pipeline:
        results = results_of(pipeline, frames_of([scene((200, 200, still()))] * 30))
    # The gate would leave out all frames but the first three; it stands back until the verdict, and no longer.
    assert [result.view.frame.index for result in results if result.view.processed] == list(range(10))
    assert turns(events_in(results)) == [(2, FaceTurn.APPEARED, 0), (9, FaceTurn.LIVENESS, 0)]
    assert verdicts(events_in(results)) == [(9, 0, "photograph")]
    assert [result.view.tracks[0].liveness for result in results[2:]] == [Liveness.UNKNOWN] * 7 + [
        Liveness.PHOTOGRAPH
    ] * 21


def test_nobody_is_watched_unless_asked_for(squares: Bundle) -> None:
    with VideoPipeline.of(squares, None) as pipeline:
        results = results_of(pipeline, frames_of([scene((200, 200, still()))] * 30))
    assert [result.view.frame.index for result in results if result.view.processed] == [0, 1, 2]
    assert verdicts(events_in(results)) == []
    assert {track.liveness for result in results for track in result.view.tracks} == {None}
    assert Stage.LIVENESS not in {time.stage for result in results for time in result.view.stages}


def test_a_photograph_in_a_hand_is_one_and_who_speaks_is_alive(squares: Bundle) -> None:
    carried = [scene((60 + 4 * i, 40 + i, still())) for i in range(12)]
    alive = [scene((60 + 4 * i, 40 + i, speaking(i))) for i in range(12)]
    for pictures, verdict in ((carried, "photograph"), (alive, "live")):
        with VideoPipeline.of(squares, None, WATCHING) as pipeline:
            assert verdicts(events_in(results_of(pipeline, frames_of(pictures)))) == [(9, 0, verdict)]


def test_a_photograph_that_comes_to_life_is_told_anew_after_the_rest(squares: Bundle) -> None:
    pictures = [scene((200, 200, still()))] * 10 + [scene((200, 200, speaking(i))) for i in range(40)]
    with VideoPipeline.of(squares, None, VideoOptions(liveness=CHECK, gate=None)) as pipeline:
        events = events_in(results_of(pipeline, frames_of(pictures)))
    # Verdict at 0.9 s, a rest of two seconds, and ten looks.
    assert verdicts(events) == [(9, 0, "photograph"), (38, 0, "live")]
    (_, last) = told(events, FaceTurn.LIVENESS)
    assert last.liveness is not None and last.liveness.windows == 2


def test_a_small_face_is_followed_and_never_judged(squares: Bundle) -> None:
    small = square_face(side=44)
    with VideoPipeline.of(squares, None, WATCHING) as pipeline:
        results = results_of(pipeline, frames_of([scene((100, 100, small), size_hw=(256, 256))] * 30))
    assert turns(events_in(results)) == [(2, FaceTurn.APPEARED, 0)]
    assert [result.view.frame.index for result in results if result.view.processed] == [0, 1, 2]
    assert results[-1].view.tracks[0].liveness is Liveness.UNKNOWN


def test_a_face_that_got_small_amid_its_window_does_not_keep_the_gate_open(squares: Bundle) -> None:
    sides = [56, 56, 54, 50, *[44] * 41]
    pictures = [scene((100, 100, square_face(side=side)), size_hw=(256, 256)) for side in sides]
    with VideoPipeline.of(squares, None, WATCHING) as pipeline:
        results = results_of(pipeline, frames_of(pictures))
        assert pipeline._watch is not None
        assert arrays_within(pipeline._watch)
    assert sum(result.view.processed for result in results) < 10
    assert not results[-1].view.processed


def test_frames_that_may_be_left_out_while_all_is_steady_are_not_amid_a_window(squares: Bundle) -> None:
    options = VideoOptions(liveness=CHECK, steady_every_s=0.25)
    carried = [scene((60 + 4 * i, 40 + i, still())) for i in range(25)]
    with VideoPipeline.of(squares, None, options) as pipeline:
        results = results_of(pipeline, frames_of(carried))
    assert verdicts(events_in(results)) == [(9, 0, "photograph")]
    assert [result.view.frame.index for result in results if result.view.processed] == [*range(10), 12, 15, 18, 21, 24]


def test_each_camera_is_told_of_its_own_faces(squares: Bundle) -> None:
    door = frames_of([scene((100, 60, still()), (300, 300, speaking(i, 3))) for i in range(10)], sequence="door")
    yard = frames_of([scene((200, 200, speaking(i))) for i in range(10)], sequence="yard")
    with VideoPipeline.of(squares, None, WATCHING) as pipeline:
        results = [result for pair in zip_longest(door, yard) for result in pipeline.process(list(pair))]
    places = {
        (result.view.frame.sequence, event.sequence, round(event.box_xyxy[0], -2), event.liveness.verdict.value)
        for result in results
        for event in result.events
        if event.liveness is not None and event.box_xyxy is not None
    }
    assert places == {
        ("door", "door", 100, "photograph"),
        ("door", "door", 300, "live"),
        ("yard", "yard", 200, "live"),
    }


@pytest.mark.parametrize("away", [3, 8, 20])
def test_a_photograph_held_up_where_a_living_face_left_is_one(squares: Bundle, away: int) -> None:
    # Within the rest of ten seconds, and at the same place: the tracker has it for the face that left.
    alive = [scene((60 + 4 * i, 40, speaking(i))) for i in range(12)]
    held_up = [scene((100 + 4 * i, 40, still())) for i in range(16)]
    with VideoPipeline.of(squares, None, WATCHING) as pipeline:
        results = results_of(pipeline, frames_of([*alive, *[EMPTY] * away, *held_up]))
    found = [(frame, verdict) for frame, _, verdict in verdicts(events_in(results))]
    before, after = 12 + away, 12 + away + 9
    assert found == [(9, "live"), (15, "unknown"), (after, "photograph")]
    assert {track.liveness for result in results[before:after] for track in result.view.tracks} == {Liveness.UNKNOWN}
    assert [track.liveness for track in results[-1].view.tracks] == [Liveness.PHOTOGRAPH]


def test_who_left_is_told_of_by_the_camera_that_shows_nobody(squares: Bundle) -> None:
    left = [scene((60 + 4 * i, 40, speaking(i))) for i in range(10)]
    door = frames_of([*left, *[EMPTY] * 5], sequence="door")
    yard = frames_of([scene((200, 200, speaking(i))) for i in range(15)], sequence="yard")
    with VideoPipeline.of(squares, None, WATCHING) as pipeline:
        results = [result for pair in zip(door, yard, strict=True) for result in pipeline.process(list(pair))]
    found = [
        (result.view.frame.sequence, result.view.frame.index, event.sequence, event.frame, event.liveness.verdict.value)
        for result in results
        for event in result.events
        if event.liveness is not None
    ]
    assert found == [
        ("door", 9, "door", 9, "live"),
        ("yard", 9, "yard", 9, "live"),
        ("door", 13, "door", 13, "unknown"),
    ]


def test_a_photograph_that_is_recognised_as_who_left_is_one(squares: Bundle, colours: Bundle) -> None:
    alive = [scene((60 + 4 * i, 40, speaking(i))) for i in range(12)]
    held_up = [scene((300 - 4 * i, 300, still())) for i in range(25)]
    with VideoPipeline.of(squares, colours, WATCHING) as pipeline:
        events = events_in(results_of(pipeline, frames_of([*alive, *[EMPTY] * 25, *held_up])))
    (live, unknown, photograph) = told(events, FaceTurn.LIVENESS)
    (lost,), (returned,) = told(events, FaceTurn.LOST), told(events, FaceTurn.RETURNED)
    assert live.track == photograph.track == lost.track == returned.track
    assert live.frame < unknown.frame < lost.frame < returned.frame < photograph.frame
    assert unknown.liveness is not None and unknown.liveness.verdict is Liveness.UNKNOWN
    assert photograph.liveness is not None and photograph.liveness.verdict is Liveness.PHOTOGRAPH
    assert photograph.liveness.windows == 1


def test_a_window_does_not_go_on_over_an_absence(squares: Bundle) -> None:
    # The photograph is somebody else's and would be laid over the face of who left.
    came = [scene((60 + 4 * i, 40, still(0))) for i in range(5)]
    held_up = [scene((100 + 4 * i, 40, still(3))) for i in range(12)]
    with VideoPipeline.of(squares, None, WATCHING) as pipeline:
        results = results_of(pipeline, frames_of([*came, *[EMPTY] * 5, *held_up]))
    assert verdicts(events_in(results)) == [(19, 0, "photograph")]


def test_who_is_missed_for_a_frame_is_watched_on(squares: Bundle) -> None:
    carried = [scene((60 + 4 * i, 40, still())) for i in range(11)]
    carried[5] = EMPTY
    with VideoPipeline.of(squares, None, WATCHING) as pipeline:
        results = results_of(pipeline, frames_of(carried))
    assert [track.coasting for track in results[5].view.tracks] == [True]
    assert verdicts(events_in(results)) == [(10, 0, "photograph")]


def test_of_a_track_that_ended_no_picture_is_left(squares: Bundle) -> None:
    tracker = TrackerConfig(high_score=POINT_SCORE, low_score=LOW_SCORE, lost_s=3.0)
    options = VideoOptions(liveness=CHECK, tracker=tracker, look_again_s=1.0)
    pictures = [*[scene((60 + 4 * i, 40, still())) for i in range(9)], *[EMPTY] * 60]
    with VideoPipeline.of(squares, None, options) as pipeline:
        results_of(pipeline, frames_of(pictures[:9]))
        assert pipeline._watch is not None
        assert arrays_within(pipeline._watch)
        # Amid the window it goes, and its picture with it, long before the track is lost.
        results_of(pipeline, frames_of(pictures[9:13], first=9))
        assert arrays_within(pipeline._watch) == []
        events = events_in(results_of(pipeline, frames_of(pictures[13:], first=13)))
        assert events[-1].turn is FaceTurn.ENDED
        assert pipeline._watch.result(0).windows == 0


def test_of_a_camera_that_is_forgotten_no_picture_is_left(squares: Bundle) -> None:
    with VideoPipeline.of(squares, None, WATCHING) as pipeline:
        for name in ("door", "yard"):
            results_of(pipeline, frames_of([scene((200, 200, still()))] * 5, sequence=name))
        pipeline.forget_camera("door")
        assert pipeline._watch is not None
        assert arrays_within(pipeline._watch)
        pipeline.forget_camera("yard")
        assert arrays_within(pipeline._watch) == []


def test_a_person_who_is_forgotten_is_still_a_photograph(squares: Bundle, colours: Bundle) -> None:
    with VideoPipeline.of(squares, colours, WATCHING) as pipeline:
        results_of(pipeline, frames_of([scene((200, 200, still()))] * 12))
        pipeline.forget_person("Ada")
        (view,) = pipeline.cameras["door"].views
    assert view.liveness is Liveness.PHOTOGRAPH


def test_a_frame_tells_how_long_watching_took(squares: Bundle) -> None:
    with VideoPipeline.of(squares, None, WATCHING) as pipeline:
        (first,) = results_of(pipeline, frames_of([EMPTY]))
    stages = [Stage.GATE, Stage.DETECT, Stage.TRACK, Stage.EMBED, Stage.LIVENESS]
    assert [time.stage for time in first.view.stages] == stages
    assert sum(time.latency_ms for time in first.view.stages) == pytest.approx(first.view.latency_ms)


@pytest.mark.parametrize(("steady_every_s", "refused"), [(0.0, False), (0.29, False), (0.3, True), (1.0, True)])
def test_frames_too_seldom_to_see_who_is_away_are_refused(steady_every_s: float, refused: bool) -> None:
    with pytest.raises(UsageError, match="look more often") if refused else nullcontext():
        VideoOptions(liveness=CHECK, steady_every_s=steady_every_s)
    VideoOptions(steady_every_s=steady_every_s)
