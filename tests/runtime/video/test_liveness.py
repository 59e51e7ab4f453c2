"""When a face is watched, which part of the frame is looked at, and what is said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge.liveness.config import PhotoCheckConfig
from crystaledge.liveness.result import Liveness, LivenessResult, undecided
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame
from crystaledge.tracking.config import TrackerConfig
from crystaledge.tracking.ids import TrackIds
from crystaledge.video.camera import Camera
from crystaledge.video.events import FaceEvent, FaceTurn
from crystaledge.video.identities import Seen
from crystaledge.video.liveness import LivenessWatch
from crystaledge.video.options import VideoOptions
from tests.runtime.liveness.counted import UNCOMPARABLE, stand_in
from tests.runtime.liveness.reachable import arrays_within

CONFIG = PhotoCheckConfig(
    looks=4, every_s=0.1, least_compared=2, threshold_px=2.0, alive_rest_s=10.0, photograph_rest_s=2.0
)
STILL, ALIVE = 1, 9
BOX = (100.0, 60.0, 180.0, 160.0)
Pictures = list[NDArray[np.uint8]]


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> Pictures:
    """Pictures that were looked at; what they say is their shade."""
    return stand_in(monkeypatch)


@pytest.fixture
def camera() -> Camera:
    """A camera whose clock the tests turn."""
    return Camera.new(VideoOptions(), TrackerConfig(), TrackIds())


def seen_at(
    camera: Camera, now_s: float, *, says: int = STILL, box: Sequence[float] = BOX, track: int = 0, index: int = 7
) -> Seen:
    """A track in a frame of one shade."""
    camera.now_s = now_s
    frame = Frame(np.full((240, 320, 3), says, np.uint8), ColorOrder.RGB, index, "door", now_s)
    return Seen(frame, camera, track, np.array(box, np.float32))


def look(watch: LivenessWatch, *seen: Seen) -> list[FaceEvent]:
    """One look at each, where it is due."""
    return watch.look(seen, [(one.camera, one.frame) for one in seen])


def looked_when(
    watch: LivenessWatch, camera: Camera, looked_at: Pictures, times_s: Sequence[float], says: int
) -> list[float]:
    """Those of the times at which a look was taken."""
    found = []
    for now_s in times_s:
        before = len(looked_at)
        look(watch, seen_at(camera, now_s, says=says))
        if len(looked_at) > before:
            found.append(now_s)
    return found


@pytest.mark.parametrize("fps", [10, 15, 25, 30])
@pytest.mark.parametrize(
    ("says", "rest_s"),
    [
        pytest.param(STILL, CONFIG.photograph_rest_s, id="photograph"),
        pytest.param(ALIVE, CONFIG.alive_rest_s, id="alive"),
        pytest.param(UNCOMPARABLE, CONFIG.every_s, id="nobody-knows"),
    ],
)
def test_looks_are_so_far_apart_and_rests_so_long(
    looked_at: Pictures, camera: Camera, fps: int, says: int, rest_s: float
) -> None:
    times = [round(number / fps, 3) for number in range(14 * fps)]
    found = looked_when(LivenessWatch(CONFIG), camera, looked_at, times, says)
    expected = [times[0]]
    for now_s in times[1:]:
        wait_s = rest_s if len(expected) % CONFIG.looks == 0 else CONFIG.every_s
        if now_s - expected[-1] >= wait_s - 0.0015:
            expected.append(now_s)
    assert found == expected
    assert len(expected) > CONFIG.looks
    assert min(np.diff(found)) > 0.098


def test_after_each_rest_there_is_a_whole_window(looked_at: Pictures, camera: Camera) -> None:
    times = [round(number / 10, 3) for number in range(60)]
    found = looked_when(LivenessWatch(CONFIG), camera, looked_at, times, STILL)
    assert found == [0.0, 0.1, 0.2, 0.3, 2.3, 2.4, 2.5, 2.6, 4.6, 4.7, 4.8, 4.9]


def test_a_clock_that_jumps_back_does_not_stop_the_looks(looked_at: Pictures, camera: Camera) -> None:
    found = looked_when(LivenessWatch(CONFIG), camera, looked_at, [100.0, 100.1, 3.0, 3.05, 3.1], STILL)
    assert found == [100.0, 100.1, 3.0, 3.1]


def wide(area_px2: float) -> tuple[float, float, float, float]:
    """A box that is twice as wide as high."""
    height = (area_px2 / 2) ** 0.5
    return 100.0, 60.0, 100.0 + 2 * height, 60.0 + height


@pytest.mark.parametrize(
    ("box", "looks"),
    [
        pytest.param((100, 60, 148, 108), 1, id="smallest"),
        pytest.param((100, 60, 147, 108), 0, id="too-small"),
        pytest.param(wide(48.1**2), 1, id="smallest-by-area"),
        pytest.param(wide(47.9**2), 0, id="too-small-by-area"),
        pytest.param((100, 60, 100, 200), 0, id="empty"),
        pytest.param((-14, 60, 86, 160), 1, id="most-of-it-in-view"),
        pytest.param((-16, 60, 84, 160), 0, id="cut-off"),
        pytest.param((236, 60, 336, 160), 0, id="cut-off-right"),
        pytest.param((100, 156, 200, 256), 0, id="cut-off-below"),
        pytest.param((400, 300, 500, 400), 0, id="out-of-view"),
    ],
)
def test_only_faces_that_are_large_and_whole_are_watched(
    looked_at: Pictures, camera: Camera, box: tuple[float, float, float, float], looks: int
) -> None:
    watch = LivenessWatch(CONFIG)
    assert look(watch, seen_at(camera, 0.0, box=box)) == []
    assert len(looked_at) == looks
    assert watch.is_open(0, 0.0) is bool(looks)


def test_it_looks_at_a_square_with_the_face_where_an_embedder_has_it(looked_at: Pictures, camera: Camera) -> None:
    one = seen_at(camera, 0.0)
    one.frame.pixels[60:160, 100:180] = (10, 20, 30)
    look(LivenessWatch(CONFIG), one)
    (picture,) = looked_at
    height, width = picture.shape[:2]
    assert abs(height - width) <= 1
    assert height == pytest.approx((80 * 100) ** 0.5 / (0.672 * 0.797) ** 0.5, abs=1)
    assert picture.flags.c_contiguous
    rows, columns = (np.flatnonzero((picture == (10, 20, 30)).all(axis=2).any(axis=axis)) for axis in (1, 0))
    assert (len(rows), len(columns)) == (100, 80)
    assert (columns[0] + columns[-1] + 1) / 2 == pytest.approx(0.5 * width, abs=1)
    assert (rows[0] + rows[-1] + 1) / 2 == pytest.approx(0.5545 * height, abs=1)


def told(watch: LivenessWatch, camera: Camera, says: Sequence[int], *, from_s: float) -> list[FaceEvent]:
    """Events of looks a tenth of a second apart."""
    return [
        event
        for number, shade in enumerate(says)
        for event in look(watch, seen_at(camera, from_s + number / 10, says=shade, index=number))
    ]


def test_a_verdict_is_told_once_with_all_that_is_known_of_it(looked_at: Pictures, camera: Camera) -> None:
    watch = LivenessWatch(CONFIG)
    (event,) = told(watch, camera, [STILL] * 4, from_s=5.0)
    result = LivenessResult(verdict=Liveness.PHOTOGRAPH, motion_px=1.0, threshold_px=2.0, windows=1)
    assert event == FaceEvent(
        frame=3,
        sequence="door",
        track=0,
        turn=FaceTurn.LIVENESS,
        time_s=5.3,
        box_xyxy=BOX,
        liveness=result,
    )
    assert watch.result(0) == result
    assert told(watch, camera, [STILL] * 4, from_s=10.0) == []
    assert watch.result(0).windows == 2


def test_each_change_is_told(looked_at: Pictures, camera: Camera) -> None:
    watch, verdicts = LivenessWatch(CONFIG), []
    for number, says in enumerate([STILL, ALIVE, ALIVE, UNCOMPARABLE, UNCOMPARABLE, STILL]):
        events = told(watch, camera, [says] * 4, from_s=20.0 * number)
        verdicts.append([event.liveness.verdict.value for event in events if event.liveness is not None])
    assert verdicts == [["photograph"], ["live"], [], ["unknown"], [], ["photograph"]]


def test_several_tracks_are_told_apart(looked_at: Pictures, camera: Camera) -> None:
    watch, events = LivenessWatch(CONFIG), []
    for number in range(4):
        now = number / 10
        events += look(watch, seen_at(camera, now, track=3), seen_at(camera, now, track=8, says=ALIVE))
    assert [(event.track, event.liveness.verdict.value) for event in events if event.liveness is not None] == [
        (3, "photograph"),
        (8, "live"),
    ]


def test_frames_are_worth_it_while_a_face_is_amid_its_window(looked_at: Pictures, camera: Camera) -> None:
    watch = LivenessWatch(CONFIG)
    opens = [watch.is_open(0, 0.0)]
    for number in range(4):
        look(watch, seen_at(camera, number / 10))
        opens.append(watch.is_open(0, camera.now_s))
    assert opens == [False, True, True, True, False]
    look(watch, seen_at(camera, 9.0))
    assert watch.is_open(0, 9.0)
    assert not watch.is_open(1, 9.0)


@pytest.mark.parametrize(("since_s", "is_open"), [(0.0, True), (0.29, True), (0.31, False), (60.0, False), (-1, False)])
def test_a_face_that_cannot_be_looked_at_any_more_is_not_worth_it(
    looked_at: Pictures, camera: Camera, since_s: float, is_open: bool
) -> None:
    watch = LivenessWatch(CONFIG)
    look(watch, seen_at(camera, 5.0))
    look(watch, seen_at(camera, 5.0 + since_s, box=(100, 60, 110, 70)))
    assert watch.is_open(0, camera.now_s) is is_open


def test_of_a_track_that_is_over_nothing_is_left(looked_at: Pictures, camera: Camera) -> None:
    watch = LivenessWatch(CONFIG)
    told(watch, camera, [ALIVE] * 4, from_s=0.0)
    assert arrays_within(watch) == []
    assert watch.result(0).windows == 1
    watch.end(0)
    watch.end(0)
    assert watch.result(0) == undecided(2.0)
    # Whoever comes next under that number does not wait for the other one's rest to be over.
    looked_at.clear()
    look(watch, seen_at(camera, 0.31))
    assert len(looked_at) == 1
    assert arrays_within(watch)
    watch.end(0)
    assert arrays_within(watch) == []
