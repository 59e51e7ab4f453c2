"""The whole pipeline on squares: who is told of, when, under which number, and what is left of them."""

from __future__ import annotations

from itertools import zip_longest

import numpy as np
import pytest

from crystaledge.bundle import Bundle
from crystaledge.errors import DataError, UsageError
from crystaledge.outputs.view import Stage
from crystaledge.tracking.config import TrackerConfig
from crystaledge.video.events import FaceEvent, FaceTurn
from crystaledge.video.options import VideoOptions
from crystaledge.video.pipeline import VideoPipeline
from tests.runtime.video.bright_square import LOW_SCORE, POINT_SCORE
from tests.runtime.video.colours import BLUE, GREEN, RED
from tests.runtime.video.squares import Square, events_of, film, frame_of, told, turns, views_of, walk

EMPTY: list[Square] = []


def lives(pipeline: VideoPipeline) -> tuple[int, ...]:
    """Tracks of which anything is kept anywhere."""
    kept = set(pipeline._finder.looks.store.tracks)
    if pipeline.crystallizer is not None:
        kept |= set(pipeline.crystallizer.store.tracks)
    for camera in pipeline.cameras.values():
        kept |= set(camera.shown) | camera.told | camera.lost | set(camera.tracker.live) | set(camera.tracker.lost)
    return tuple(sorted(kept))


def test_each_square_has_one_track_from_its_third_frame_on(squares: Bundle) -> None:
    scenes = [
        [*left, *right] for left, right in zip(walk((4, 8), (2, 0), 20), walk((100, 90), (-2, 0), 20), strict=True)
    ]
    with VideoPipeline.of(squares, None) as pipeline:
        results = [result for frame in film(scenes) for result in pipeline.process([frame])]
    events = [event for result in results for event in result.events]
    assert turns(events) == [(2, FaceTurn.APPEARED, 0), (2, FaceTurn.APPEARED, 1)]
    assert [event.box_xyxy for event in events] == [pytest.approx(square.box, abs=0.01) for square in scenes[2]]
    for result, scene in zip(results[2:], scenes[2:], strict=True):
        boxes = sorted(track.box_xyxy for track in result.view.tracks)
        assert boxes == [pytest.approx(box, abs=0.01) for box in sorted(square.box for square in scene)]


def test_where_nothing_moves_nothing_is_processed_and_nobody_grows_older(squares: Bundle, colours: Bundle) -> None:
    scenes = [*walk((20, 20), (3, 0), 5), *[[Square(32, 20)]] * 80, *walk((32, 20), (3, 0), 6)]
    with VideoPipeline.of(squares, colours) as pipeline:
        results = [result for frame in film(scenes) for result in pipeline.process([frame])]
    still = results[5:85]
    assert not any(result.view.processed or result.events for result in still)
    assert {result.view.gate_share for result in still} == {0.0}
    assert {result.view.tracks for result in still} == {results[4].view.tracks}
    # Eight seconds are more than a track may be unseen, yet it goes on under its number.
    assert turns(event for result in results for event in result.events) == [(2, FaceTurn.APPEARED, 0)]
    assert [track.track for track in results[-1].view.tracks] == [0]


def test_a_square_that_stands_still_from_the_first_frame_is_told_of(squares: Bundle) -> None:
    with VideoPipeline.of(squares, None) as pipeline:
        events = events_of(pipeline, film([[Square(40, 40)]] * 10))
    assert turns(events) == [(2, FaceTurn.APPEARED, 0)]


def test_who_leaves_an_empty_room_is_lost_though_nothing_moves_any_more(squares: Bundle) -> None:
    with VideoPipeline.of(squares, None) as pipeline:
        events = events_of(pipeline, film([*walk((40, 40), (2, 0), 6), *[EMPTY] * 30]))
    (lost,) = told(events, FaceTurn.LOST)
    assert lost.time_s == pytest.approx(0.5 + 1.5, abs=0.11)
    assert lost.box_xyxy is None


def test_after_a_while_a_frame_is_processed_though_nothing_moved(squares: Bundle) -> None:
    with VideoPipeline.of(squares, None, VideoOptions(look_again_s=1.0)) as pipeline:
        views = views_of(pipeline, film([EMPTY] * 25))
    assert [view.frame.index for view in views if view.processed] == [0, 10, 20]


STEADY = VideoOptions(steady_every_s=0.5)


def test_while_nobody_is_open_only_each_fifth_frame_is_looked_at_and_boxes_are_predicted(squares: Bundle) -> None:
    scenes = walk((4, 8), (2, 1), 40)
    with VideoPipeline.of(squares, None, STEADY) as pipeline:
        views = views_of(pipeline, film(scenes))
    # Until the third frame the track is in doubt.
    assert [view.frame.index for view in views if view.processed] == [0, 1, 2, *range(7, 40, 5)]
    for view, (square,) in zip(views[12:], scenes[12:], strict=True):
        (track,) = view.tracks
        assert track.box_xyxy == pytest.approx(square.box, abs=1.0)
        assert any(box == pytest.approx(square.box, abs=1.0) for box in view.hidden_xyxy)


def test_who_comes_while_the_camera_rests_is_found_as_soon_as_it_looks(squares: Bundle) -> None:
    scenes = [*[EMPTY] * 12, *walk((40, 40), (2, 0), 12)]
    with VideoPipeline.of(squares, None, STEADY) as pipeline:
        events = events_of(pipeline, film(scenes))
    (appeared,) = told(events, FaceTurn.APPEARED)
    assert appeared.frame - 12 <= 5 + 2


def test_a_face_of_whom_it_is_open_who_it_is_is_looked_at_all_the_time(squares: Bundle, colours: Bundle) -> None:
    with VideoPipeline.of(squares, colours, STEADY) as pipeline:
        views = views_of(pipeline, film(walk((4, 8), (2, 1), 40)))
    committed = next(view.frame.index for view in views if any(track.crystallized for track in view.tracks))
    assert all(view.processed for view in views[: committed + 1])
    assert sum(view.processed for view in views[committed + 1 :]) == (40 - committed - 1) // 5


def test_who_leaves_while_the_camera_rests_is_lost_and_rest_is_over(squares: Bundle) -> None:
    with VideoPipeline.of(squares, None, STEADY) as pipeline:
        views = views_of(pipeline, film([*walk((40, 40), (2, 0), 10), *[EMPTY] * 20]))
    seen = [view.frame.index for view in views if view.processed and view.frame.index >= 10]
    assert seen[0] <= 14
    assert seen[1] == seen[0] + 1  # it is looked for, in each frame


def test_without_a_gate_each_frame_is_processed(squares: Bundle) -> None:
    with VideoPipeline.of(squares, None, VideoOptions(gate=None)) as pipeline:
        assert all(view.processed for view in views_of(pipeline, film([EMPTY] * 5)))


def test_away_and_back_by_its_looks_it_has_its_old_number(squares: Bundle, colours: Bundle) -> None:
    scenes = [*walk((10, 50), (3, 0), 12, RED), *[EMPTY] * 25, *walk((100, 20), (-3, 1), 12, RED)]
    with VideoPipeline.of(squares, colours) as pipeline:
        events = events_of(pipeline, film(scenes))
    seen = [event for event in events if event.turn is not FaceTurn.UNKNOWN]
    kinds = [(event.turn, event.track) for event in seen]
    assert kinds == [(FaceTurn.APPEARED, 0), (FaceTurn.LOST, 0), (FaceTurn.RETURNED, 0)]
    assert 37 <= seen[2].frame <= 39
    assert seen[2].box_xyxy == pytest.approx(scenes[seen[2].frame][0].box, abs=0.01)


def test_somebody_else_has_another_number(squares: Bundle, colours: Bundle) -> None:
    scenes = [*walk((10, 50), (3, 0), 12, RED), *[EMPTY] * 25, *walk((100, 20), (-3, 1), 12, GREEN)]
    with VideoPipeline.of(squares, colours) as pipeline:
        events = events_of(pipeline, film(scenes))
    (first, second) = told(events, FaceTurn.APPEARED)
    assert first.track != second.track
    assert not told(events, FaceTurn.RETURNED)


def test_who_stays_away_ends_and_nothing_is_kept_of_them(squares: Bundle, colours: Bundle) -> None:
    tracker = TrackerConfig(high_score=POINT_SCORE, low_score=LOW_SCORE, lost_s=3.0)
    options = VideoOptions(tracker=tracker, look_again_s=1.0)
    with VideoPipeline.of(squares, colours, options) as pipeline:
        events = events_of(pipeline, film([*walk((10, 50), (3, 0), 12, RED), *[EMPTY] * 60]))
        assert [event.turn for event in events] == [FaceTurn.APPEARED, FaceTurn.LOST, FaceTurn.ENDED]
        assert events[-1].goes_on_as is None
        assert events[-1].observations == 12
        assert lives(pipeline) == ()


def test_a_flash_of_two_frames_is_never_told_of_and_leaves_nothing(squares: Bundle, colours: Bundle) -> None:
    with VideoPipeline.of(squares, colours) as pipeline:
        events = events_of(pipeline, film([EMPTY, [Square(40, 40)], [Square(42, 40)], *[EMPTY] * 12]))
        assert events == []
        assert lives(pipeline) == ()


def test_a_camera_that_is_forgotten_leaves_nothing(squares: Bundle, colours: Bundle) -> None:
    with VideoPipeline.of(squares, colours) as pipeline:
        events_of(pipeline, film([*walk((10, 50), (3, 0), 12, RED), *[EMPTY] * 20, *walk((10, 90), (3, 0), 5, BLUE)]))
        assert lives(pipeline) != ()
        pipeline.forget_camera("door")
        pipeline.forget_camera("never seen")
        assert lives(pipeline) == ()
        assert pipeline.cameras == {}


@pytest.mark.parametrize("colour", [pytest.param(RED, id="the-same"), pytest.param(GREEN, id="somebody-else")])
def test_a_cut_loses_all_and_carries_nobody_over(
    squares: Bundle, colours: Bundle, colour: tuple[int, int, int]
) -> None:
    # The square of the new scene stands where the old one would be, before other wallpaper.
    before = film(walk((10, 50), (3, 0), 10, RED))
    after = film(walk((40, 50), (3, 0), 10, colour), first=10)
    wallpaper = np.random.default_rng(0).integers(67, 187, (128, 128, 1)).astype(np.uint8)
    for frame in after:
        ground = (frame.pixels == frame.pixels[0, 0]).all(axis=2)
        frame.pixels[ground] = wallpaper[ground]
    with VideoPipeline.of(squares, colours) as pipeline:
        events = events_of(pipeline, [*before, *after])
    lost = told(events, FaceTurn.LOST)
    assert [(event.frame, event.track) for event in lost] == [(10, 0)]
    returned = [event.track for event in told(events, FaceTurn.RETURNED)]
    assert returned == ([0] if colour == RED else [])
    if colour == GREEN:
        assert [event.track for event in told(events, FaceTurn.APPEARED)] == [0, 1]


def test_who_stands_where_another_one_left_is_not_taken_for_them(squares: Bundle, colours: Bundle) -> None:
    # Away for long enough that motion alone does not decide; by looks it is somebody else.
    scenes = [*walk((10, 50), (3, 0), 8, RED), *[EMPTY] * 6, *walk((34, 50), (1, 0), 14, GREEN)]
    with VideoPipeline.of(squares, colours) as pipeline:
        pipeline.enroll("Ada", film(walk((40, 40), (0, 0), 3, RED), sequence="enrolment"))
        pipeline.enroll("Bob", film(walk((40, 40), (0, 0), 3, GREEN), sequence="enrolment"))
        events = events_of(pipeline, film([*scenes, *[EMPTY] * 20]))
    named = {(event.track, event.name) for event in told(events, FaceTurn.IDENTIFIED)}
    assert {name for _, name in named} == {"Ada", "Bob"}
    doubted = {event.track for event in told(events, FaceTurn.DOUBTED)}
    assert len({track for track, _ in named}) == 2 or doubted


def three_cameras() -> dict[str, list[list[Square]]]:
    """Films with one, two and no squares."""
    crossing = [
        [*a, *b] for a, b in zip(walk((4, 20), (4, 0), 24, RED), walk((100, 84), (-4, 0), 24, BLUE), strict=True)
    ]
    return {
        "hall": [*walk((10, 50), (3, 0), 14, RED), *[EMPTY] * 10],
        "door": crossing,
        "yard": [*[EMPTY] * 8, *walk((60, 10), (0, 4), 16, GREEN)],
    }


def without_track(event: FaceEvent) -> tuple[object, ...]:
    """An event but for its number, which cameras share out."""
    rounded = None if event.box_xyxy is None else tuple(round(side, 3) for side in event.box_xyxy)
    return event.frame, event.sequence, event.turn, rounded, event.name, event.observations


def test_several_cameras_at_once_tell_what_each_tells_alone(squares: Bundle, colours: Bundle) -> None:
    films = {name: film(scenes, sequence=name) for name, scenes in three_cameras().items()}
    together: dict[str, list[FaceEvent]] = {name: [] for name in films}
    with VideoPipeline.of(squares, colours) as pipeline:
        for together_now in zip_longest(*films.values()):
            for result in pipeline.process(list(together_now)):
                together[result.view.frame.sequence] += result.events
        numbers = {name: {event.track for event in events} for name, events in together.items()}
    assert sum(len(found) for found in numbers.values()) == len(set.union(*numbers.values())) == 4
    for name, frames in films.items():
        with VideoPipeline.of(squares, colours) as pipeline:
            alone = events_of(pipeline, frames)
        assert alone
        assert [without_track(event) for event in together[name]] == [without_track(event) for event in alone]


def test_of_several_cameras_only_those_where_something_moves_are_processed(squares: Bundle) -> None:
    with VideoPipeline.of(squares, None) as pipeline:
        moving, still = film(walk((10, 50), (3, 0), 8), sequence="a"), film([EMPTY] * 8, sequence="b")
        for first, second in list(zip(moving, still, strict=True))[:1]:
            pipeline.process([first, second])
        results = [pipeline.process(pair) for pair in zip(still[1:], moving[1:], strict=True)]
    assert [[result.view.processed for result in pair] for pair in results] == [[False, True]] * 7
    assert all(pair[0].view.frame.sequence == "b" for pair in results)


def test_squares_that_cross_go_on_under_their_numbers(squares: Bundle, colours: Bundle) -> None:
    scenes = [[Square(4 + 4 * i, 40, colour=RED), Square(104 - 4 * i, 60, colour=GREEN)] for i in range(26)]
    with VideoPipeline.of(squares, colours, VideoOptions(gate=None)) as pipeline:
        views = views_of(pipeline, film(scenes))
    places = {track.track: track.box_xyxy for track in views[4].tracks}
    ends = {track.track: track.box_xyxy for track in views[-1].tracks}
    assert set(ends) == set(places) == {0, 1}
    red = min(places, key=lambda track: places[track][0])
    assert ends[red][1] == pytest.approx(40, abs=1)
    assert ends[1 - red][1] == pytest.approx(60, abs=1)


def test_turns_of_a_frame_come_in_the_order_of_a_life(squares: Bundle, colours: Bundle) -> None:
    with VideoPipeline.of(squares, colours) as pipeline:
        pipeline.enroll("Ada", film(walk((40, 40), (0, 0), 3, RED), sequence="enrolment"))
        events = events_of(pipeline, film(walk((10, 50), (3, 0), 5, RED)))
    assert turns(events) == [(0, FaceTurn.IDENTIFIED, 0), (2, FaceTurn.APPEARED, 0)]


def test_a_clock_that_jumps_back_ends_nobody(squares: Bundle) -> None:
    scenes = walk((10, 50), (2, 0), 24)
    times = [100.0 + i / 10 for i in range(12)] + [3.0 + i / 10 for i in range(12)]
    frames = [frame_of(i, scene, time_s=time) for i, (scene, time) in enumerate(zip(scenes, times, strict=True))]
    with VideoPipeline.of(squares, None) as pipeline:
        assert turns(events_of(pipeline, frames)) == [(2, FaceTurn.APPEARED, 0)]


def test_without_a_clock_frames_are_counted(squares: Bundle) -> None:
    frames = [frame_of(i, scene, time_s=None) for i, scene in enumerate(walk((10, 50), (2, 0), 6))]
    with VideoPipeline.of(squares, None, VideoOptions(frames_per_s=20.0)) as pipeline:
        (event,) = events_of(pipeline, frames)
    assert event.time_s == pytest.approx(2 / 20)


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 400), (3, 2), (2000, 1)])
def test_tiny_frames_show_nobody_and_break_nothing(squares: Bundle, colours: Bundle, size_hw: tuple[int, int]) -> None:
    frames = [frame_of(i, EMPTY, size_hw=size_hw, ground=value) for i, value in enumerate((0, 127, 255, 90))]
    with VideoPipeline.of(squares, colours) as pipeline:
        assert events_of(pipeline, frames) == []


def test_a_frame_of_8k_is_looked_at_in_its_own_pixels(squares: Bundle) -> None:
    # 33 megapixels, a face of 20 px of the network's input.
    scale = 7680 / 128
    square = Square(round(40 * scale), round(20 * scale), side=round(20 * scale))
    with VideoPipeline.of(squares, None, VideoOptions(gate=None)) as pipeline:
        pipeline.process([frame_of(0, [square], size_hw=(4320, 7680))])
        detections = pipeline.cameras["door"].detections
    assert detections is not None
    assert detections.box_xyxy[0] == pytest.approx(square.box, abs=2)


def test_a_camera_may_change_its_resolution(squares: Bundle, colours: Bundle) -> None:
    # The same scene, twice as large from the tenth frame on; letterboxed the network sees the same.
    small = film(walk((10, 50), (2, 0), 10, RED))
    large = [
        frame_of(10 + i, [Square(2 * square.x, 2 * square.y, 40, RED)], size_hw=(256, 256))
        for i, (square,) in enumerate(walk((30, 50), (2, 0), 10))
    ]
    with VideoPipeline.of(squares, colours) as pipeline:
        events_of(pipeline, small)
        views = views_of(pipeline, large)
    assert all(view.processed for view in views)
    boxes = [track.box_xyxy for track in views[-1].tracks]
    assert boxes[-1] == pytest.approx((96, 100, 136, 140), abs=1)


def test_a_frame_tells_where_its_time_went(squares: Bundle) -> None:
    with VideoPipeline.of(squares, None) as pipeline:
        first, second = views_of(pipeline, film([EMPTY] * 2))
    assert [time.stage for time in first.stages] == [Stage.GATE, Stage.DETECT, Stage.TRACK, Stage.EMBED]
    assert sum(time.latency_ms for time in first.stages) == pytest.approx(first.latency_ms)
    assert second.stages == ()


def test_enrolment_needs_exactly_one_face(squares: Bundle, colours: Bundle) -> None:
    with VideoPipeline.of(squares, colours) as pipeline:
        with pytest.raises(DataError, match="2 faces"):
            pipeline.enroll("Ada", film([[Square(10, 10), Square(80, 80)]]))
        with pytest.raises(DataError, match="No frame shows a face"):
            pipeline.enroll("Ada", film([EMPTY, EMPTY]))
        with pytest.raises(DataError, match="No frame shows a face"):
            pipeline.enroll("Ada", film([[Square(10, 10, side=10)]]))
        assert pipeline.enroll("Ada", film([EMPTY, [Square(40, 40)], [Square(50, 40)]])) == 2
        with pytest.raises(UsageError, match="enrolled already"):
            pipeline.enroll("Ada", film([[Square(40, 40)]]))
        assert lives(pipeline) == ()
        assert pipeline.cameras == {}


def test_without_identities_nobody_is_enrolled(squares: Bundle) -> None:
    with VideoPipeline.of(squares, None) as pipeline:
        assert pipeline.crystallizer is None
        with pytest.raises(DataError, match="tells people apart"):
            pipeline.enroll("Ada", film([[Square(40, 40)]]))


def test_faces_of_newcomers_are_named_as_hidden_before_they_are_tracks_to_be_shown(squares: Bundle) -> None:
    scenes = walk((20, 20), (3, 0), 4)
    with VideoPipeline.of(squares, None) as pipeline:
        views = views_of(pipeline, film(scenes))
    assert views[0].tracks == ()
    for view, (square,) in zip(views, scenes, strict=True):
        assert any(box == pytest.approx(square.box, abs=0.01) for box in view.hidden_xyxy)


def test_who_is_identified_is_not_hidden(squares: Bundle, colours: Bundle) -> None:
    with VideoPipeline.of(squares, colours) as pipeline:
        pipeline.enroll("Ada", film(walk((40, 40), (0, 0), 3, RED)))
        last = views_of(pipeline, film(walk((10, 50), (3, 0), 8, RED)))[-1]
    (track,) = last.tracks
    assert track.label == "Ada"
    assert last.hidden_xyxy == ()


def test_a_camera_that_is_forgotten_tells_who_ended(squares: Bundle, colours: Bundle) -> None:
    with VideoPipeline.of(squares, colours) as pipeline:
        (frame, *_) = frames = film(walk((20, 20), (3, 0), 5))
        events_of(pipeline, frames)
        ended = pipeline.forget_camera(frame.sequence)
        assert [(event.turn, event.track, event.frame) for event in ended] == [(FaceTurn.ENDED, 0, 4)]
        assert pipeline.forget_camera(frame.sequence) == ()
        assert lives(pipeline) == ()


def test_a_name_that_is_forgotten_is_nowhere_any_more(squares: Bundle, colours: Bundle) -> None:
    with VideoPipeline.of(squares, colours) as pipeline:
        pipeline.enroll("Ada", film(walk((40, 40), (0, 0), 3, RED)))
        scenes = walk((10, 50), (3, 0), 30, RED)
        views_of(pipeline, film(scenes[:8]))
        assert pipeline.crystallizer is not None
        pipeline.crystallizer.gallery.remove("Ada")
        pipeline.forget_person("Ada")
        assert [record.committed_match for record in pipeline.crystallizer.records] == [None]
        assert [view.label for camera in pipeline.cameras.values() for view in camera.views] == [None]


def test_learning_from_pictures_of_a_running_camera_leaves_it_alone(squares: Bundle, colours: Bundle) -> None:
    with VideoPipeline.of(squares, colours) as pipeline:
        frames = film(walk((20, 20), (3, 0), 5, RED))
        events_of(pipeline, frames)
        before = pipeline._finder.detector.view(frames[0].sequence)
        pipeline.learn(frames[:2])
        assert pipeline._finder.detector.view(frames[0].sequence) is before
