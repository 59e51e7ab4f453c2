"""What is kept of one camera."""

from __future__ import annotations

import numpy as np
import pytest

from crystaledge.detections import Detections
from crystaledge.tracking.config import TrackerConfig
from crystaledge.tracking.ids import TrackIds
from crystaledge.tracking.rows import Stage
from crystaledge.video.camera import Camera
from crystaledge.video.options import VideoOptions
from tests.runtime.video.squares import frame_of

BOX = np.array([10, 10, 30, 30], np.float32)
AWAY = np.array([80, 80, 100, 100], np.float32)


def detections(*boxes: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Detections:
    """Certain detections."""
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.9, np.float32))


def camera_with(frames: int, *, missing: int = 0) -> Camera:
    """A camera that has seen one box in so many frames of a tenth of a second, and nothing in some more."""
    camera = Camera.new(VideoOptions(), TrackerConfig(), TrackIds())
    for index in range(frames + missing):
        camera.arrive(frame_of(index, []), frames_per_s=10.0)
        camera.processed()
        camera.detections = detections(BOX) if index < frames else detections()
        camera.notice(camera.tracker.update(camera.detections, camera.now_s))
        camera.settle()
    return camera


def test_a_source_without_a_clock_counts_its_frames() -> None:
    camera = Camera.new(VideoOptions(), TrackerConfig(), TrackIds())
    assert camera.arrive(frame_of(50, [], time_s=None), frames_per_s=25.0) == 2.0
    assert camera.arrive(frame_of(51, [], time_s=7.5), frames_per_s=25.0) == 7.5
    assert camera.now_s == 7.5
    assert camera.gap_s == 5.5


@pytest.mark.parametrize(
    ("frames", "missing", "due"),
    [
        pytest.param(0, 1, False, id="nobody"),
        pytest.param(1, 0, True, id="tentative"),
        pytest.param(3, 0, False, id="confirmed"),
        pytest.param(3, 2, True, id="coasting"),
        pytest.param(3, 30, False, id="lost"),
    ],
)
def test_a_still_frame_is_due_while_a_track_is_in_doubt(frames: int, missing: int, due: bool) -> None:
    camera = camera_with(frames, missing=missing)
    still = frame_of(99, [], time_s=camera.now_s)
    assert camera.gate is not None
    camera.gate.moved(still.pixels)
    camera.gate.processed()
    assert camera.is_due(still, look_again_s=10.0) is due


@pytest.mark.parametrize(("passed_s", "due"), [(0.0, False), (9.9, False), (10.0, True), (-0.5, True)])
def test_a_still_frame_is_due_after_long_or_when_the_clock_jumps_back(passed_s: float, due: bool) -> None:
    camera = camera_with(3)
    still = frame_of(99, [])
    assert camera.gate is not None
    camera.gate.moved(still.pixels)
    camera.gate.processed()
    camera.now_s = camera.processed_s + passed_s
    assert camera.is_due(still, look_again_s=10.0) is due


@pytest.mark.parametrize(
    ("frames", "open_faces", "watched_faces", "settled", "steady"),
    [
        pytest.param(3, False, False, True, True, id="nothing-to-be-done"),
        pytest.param(3, True, False, True, False, id="who-it-is-is-open"),
        pytest.param(3, False, True, False, False, id="watched"),
        pytest.param(3, True, True, False, False, id="both"),
        pytest.param(1, False, False, False, False, id="tentative"),
        pytest.param(1, False, True, False, False, id="tentative-and-watched"),
    ],
)
def test_whoever_is_watched_keeps_a_camera_from_rest(
    frames: int, open_faces: bool, watched_faces: bool, settled: bool, steady: bool
) -> None:
    camera = camera_with(frames)
    camera.settle(open_faces=open_faces, watched_faces=watched_faces)
    assert (camera.settled, camera.steady) == (settled, steady)
    still = frame_of(99, [], time_s=camera.now_s)
    assert camera.gate is not None
    camera.gate.moved(still.pixels)
    camera.gate.processed()
    assert camera.is_due(still, look_again_s=10.0, steady_every_s=1.0) is not settled


def test_stillness_costs_no_track_any_time() -> None:
    camera = camera_with(3)
    for index in range(3, 200):
        camera.arrive(frame_of(index, []), frames_per_s=10.0)
        camera.still()
    camera.arrive(frame_of(200, []), frames_per_s=10.0)
    camera.processed()
    update = camera.tracker.update(detections(), camera.now_s)
    assert update.coasting == (0,)
    assert update.lost == ()


def test_a_detection_belongs_to_the_track_in_view_that_it_overlaps() -> None:
    camera = camera_with(3)
    camera.detections = detections(BOX + 2, AWAY)
    assert camera.owner_of(0) == 0
    assert camera.owner_of(1) is None


@pytest.mark.parametrize("missing", [pytest.param(2, id="coasting"), pytest.param(30, id="lost")])
def test_who_is_away_owns_no_detection_where_they_stood(missing: int) -> None:
    camera = camera_with(3, missing=missing)
    assert camera.tracker.stage(0) in (Stage.COASTING, Stage.LOST)
    camera.detections = detections(BOX)
    assert camera.owner_of(0) is None


def test_nobody_owns_a_detection_of_no_frame() -> None:
    camera = camera_with(3)
    camera.detections = None
    assert camera.owner_of(0) is None


def test_only_confirmed_tracks_explain_what_changed() -> None:
    assert camera_with(2).expected().trusted.tolist() == [False]
    expected = camera_with(3).expected()
    assert expected.trusted.tolist() == [True]
    assert expected.tracks == (0,)
    np.testing.assert_allclose(expected.box_xyxy, [BOX], atol=0.5)
    assert camera_with(3, missing=2).expected().trusted.tolist() == [False]


def test_nothing_is_kept_of_a_track_that_is_over() -> None:
    camera = camera_with(3)
    camera.lost.add(0)
    assert camera.told == {0}
    camera.forget(0)
    camera.forget(12)
    assert not (camera.shown or camera.told or camera.lost)
