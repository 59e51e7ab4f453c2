"""Who is away for a while is watched anew; who is missed for a frame or two is not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge.detections import Detections
from crystaledge.liveness.config import PhotoCheckConfig
from crystaledge.liveness.result import undecided
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame
from crystaledge.tracking.config import TrackerConfig
from crystaledge.tracking.ids import TrackIds
from crystaledge.tracking.rows import Stage
from crystaledge.video.camera import Camera
from crystaledge.video.events import FaceEvent, FaceTurn
from crystaledge.video.identities import Seen
from crystaledge.video.liveness import LivenessWatch
from crystaledge.video.options import VideoOptions
from tests.runtime.liveness.counted import stand_in
from tests.runtime.liveness.reachable import arrays_within

CONFIG = PhotoCheckConfig(looks=6, every_s=0.1, least_compared=2, threshold_px=2.0, absent_s=0.3)
STILL, ALIVE = 1, 9
BOX = np.array([100, 60, 180, 160], np.float32)
TENTH_S = 0.1


class Door:
    """One camera, whose tracker sees one face or nobody, and whoever watches it."""

    def __init__(self, watch: LivenessWatch) -> None:
        self.watch = watch
        self.camera = Camera.new(VideoOptions(), TrackerConfig(), TrackIds())
        self.events: list[FaceEvent] = []

    def shows(self, says: int | None, now_s: float, *, cut: bool = False) -> None:
        """One frame, with a face of one shade, or None where nobody is seen."""
        camera = self.camera
        camera.now_s = now_s
        boxes = np.zeros((0, 4), np.float32) if says is None else BOX[None]
        camera.detections = Detections(boxes, np.full(len(boxes), 0.9, np.float32))
        update = camera.tracker.update(camera.detections, now_s, cut=cut)
        camera.notice(update)
        frame = Frame(
            np.full((240, 320, 3), says or 0, np.uint8), ColorOrder.RGB, round(now_s / TENTH_S), "door", now_s
        )
        seen = [Seen(frame, camera, track, BOX) for track in update.numbers.tolist()]
        self.events += self.watch.look(seen, [(camera, frame)])

    def film(self, says: Sequence[int | None], *, from_s: float = 0.0, every_s: float = TENTH_S) -> None:
        """Frames at even times, rounded as those of cameras are."""
        for number, shade in enumerate(says):
            self.shows(shade, round(from_s + number * every_s, 3))

    @property
    def verdicts(self) -> list[str]:
        """What was told so far."""
        return [event.liveness.verdict.value for event in self.events if event.liveness is not None]

    @property
    def is_amid(self) -> bool:
        """Whether its only track would be watched on, were it in view."""
        return self.watch._check.is_amid(0)

    @property
    def stage(self) -> Stage:
        """Of its only track."""
        return self.camera.tracker.stage(0)


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.uint8]]:
    """Pictures that were looked at."""
    return stand_in(monkeypatch)


@pytest.fixture
def door(looked_at: list[NDArray[np.uint8]]) -> Door:
    """Nobody has come yet."""
    return Door(LivenessWatch(CONFIG))


@pytest.mark.parametrize("missed", [1, 2])
def test_who_is_missed_for_a_frame_or_two_is_watched_on(
    door: Door, looked_at: list[NDArray[np.uint8]], missed: int
) -> None:
    door.film([*[STILL] * 4, *[None] * missed])
    assert door.stage is Stage.COASTING
    door.film([STILL] * 2, from_s=0.4 + missed * TENTH_S)
    assert door.verdicts == ["photograph"]
    assert len(looked_at) == CONFIG.looks


@pytest.mark.parametrize("missed", [1, 2])
def test_short_absences_do_not_add_up(door: Door, missed: int) -> None:
    door.film([*[STILL] * 3, *[None] * missed, STILL, *[None] * missed, STILL, *[None] * missed, STILL])
    assert door.verdicts == ["photograph"]


@pytest.mark.parametrize("fps", [10, 15, 25, 30])
@pytest.mark.parametrize("first", range(3))
def test_it_is_the_absence_in_seconds_that_counts(door: Door, fps: int, first: int) -> None:
    away = [number for number in range(fps) if number / fps < CONFIG.absent_s - 1e-6]
    begun = fps // 3 + first
    door.film([ALIVE] * begun, every_s=1 / fps)
    assert door.is_amid
    for number in away:
        door.shows(None, round((begun + number) / fps, 3))
        assert door.is_amid
    door.shows(None, round((begun + len(away)) / fps, 3))
    assert not door.is_amid


def test_away_for_long_the_picture_goes_though_nobody_is_in_view(door: Door) -> None:
    door.film([*[ALIVE] * 4, None, None, None])
    assert arrays_within(door.watch)
    door.shows(None, 0.7)
    assert arrays_within(door.watch) == []
    # No verdict had been given, and none is taken back.
    assert door.events == []


@pytest.mark.parametrize(("says", "verdict"), [(ALIVE, "live"), (STILL, "photograph")])
def test_away_for_long_a_verdict_is_taken_back_and_that_is_told_once(door: Door, says: int, verdict: str) -> None:
    door.film([*[says] * 6, None, None, None])
    assert door.verdicts == [verdict]
    assert door.watch.result(0).verdict.value == verdict
    door.film([None] * 30, from_s=0.9)
    assert door.stage is Stage.LOST
    assert door.watch.result(0) == undecided(2.0)
    assert door.events[1:] == [
        FaceEvent(
            frame=9,
            sequence="door",
            track=0,
            turn=FaceTurn.LIVENESS,
            time_s=0.9,
            box_xyxy=None,
            liveness=undecided(2.0),
        )
    ]


def test_a_window_does_not_go_on_over_an_absence(door: Door, looked_at: list[NDArray[np.uint8]]) -> None:
    door.film([*[ALIVE] * 5, *[None] * 4])
    assert door.stage is Stage.COASTING
    looked_at.clear()
    door.film([STILL] * CONFIG.looks, from_s=0.9)
    assert door.verdicts == ["photograph"]
    assert len(looked_at) == CONFIG.looks
    assert door.watch.result(0).windows == 1


def test_who_is_lost_in_a_cut_is_away(door: Door) -> None:
    door.film([ALIVE] * 5)
    for number in range(4):
        assert door.is_amid
        door.shows(None, round(0.5 + number / 10, 3), cut=number == 0)
        assert door.stage is Stage.LOST
    assert not door.is_amid


def test_who_comes_back_does_not_wait_for_the_rest_of_who_left(door: Door, looked_at: list[NDArray[np.uint8]]) -> None:
    door.film([*[ALIVE] * 6, *[None] * 4, *[STILL] * 6])
    assert len(looked_at) == 2 * CONFIG.looks
    assert door.verdicts == ["live", "unknown", "photograph"]


@pytest.mark.parametrize(
    ("gap_s", "verdicts"), [(0.2, ["live"]), (0.29, ["live"]), (0.3, ["live", "unknown"]), (5.0, ["live", "unknown"])]
)
def test_a_stream_that_stalls_shows_nobody(door: Door, gap_s: float, verdicts: list[str]) -> None:
    door.film([ALIVE] * CONFIG.looks)
    door.camera.gap_s = gap_s
    door.shows(STILL, 0.5 + gap_s)
    assert door.verdicts == verdicts


def test_a_window_that_nobody_can_look_at_any_more_is_abandoned_and_its_picture_goes(
    door: Door, looked_at: list[NDArray[np.uint8]]
) -> None:
    door.film([*[STILL] * 26, ALIVE, ALIVE])  # a window, a rest of two seconds, and amid the next window
    assert door.is_amid
    door.watch._looked_s[0] -= 0.6  # as of a face that was cut off meanwhile, and in view
    door.shows(ALIVE, 2.8)
    assert not door.is_amid
    assert arrays_within(door.watch) == []
    assert door.verdicts == ["photograph"]
    assert door.watch.result(0).windows == 1


def test_who_was_seen_too_seldom_to_be_somebody_is_away_as_others_are(door: Door) -> None:
    door.film([ALIVE] * 2)
    assert door.stage is Stage.TENTATIVE
    for number in range(3):
        assert door.is_amid
        door.shows(None, round(0.2 + number / 10, 3))
    door.shows(None, 0.5)
    assert not door.is_amid


def test_with_few_frames_a_second_the_return_is_what_tells(door: Door) -> None:
    door.film([*[ALIVE] * 5, None])
    assert door.is_amid
    # The frame after the one that missed it is half a second later, and shows somebody.
    door.film([STILL] * 6, from_s=1.0)
    assert door.verdicts == ["photograph"]


def test_a_clock_that_jumps_back_while_nobody_is_seen_ends_a_window(door: Door) -> None:
    door.film([*[ALIVE] * 5, None], from_s=100.0)
    door.shows(None, 99.0)
    assert not door.is_amid


def test_a_clock_that_jumps_back_while_it_is_seen_does_not(door: Door) -> None:
    door.film([STILL] * 5, from_s=100.0)
    door.shows(STILL, 99.0)
    assert door.verdicts == ["photograph"]


def test_each_camera_has_its_own_clock(looked_at: list[NDArray[np.uint8]]) -> None:
    door, yard = Door(LivenessWatch(CONFIG)), Door(LivenessWatch(CONFIG))
    yard.watch = door.watch
    door.film([STILL] * 4)
    # A camera that shows nobody, at quite another time, is nothing to the one that does.
    yard.film([None] * 5, from_s=900.0)
    door.film([STILL] * 2, from_s=0.4)
    assert door.verdicts == ["photograph"]


@pytest.mark.parametrize("missed", [1, 4, 30])
def test_of_a_track_that_ended_while_it_was_away_nothing_is_left(door: Door, missed: int) -> None:
    door.film([*[ALIVE] * 4, *[None] * missed])
    assert _kept(door.watch)
    door.watch.end(0)
    assert _kept(door.watch) == []


def _kept(watch: LivenessWatch) -> list[dict[int, float]]:
    """What is kept by track."""
    return [kept for kept in vars(watch).values() if isinstance(kept, dict) and kept]
