"""Video files: small ones that were written here, damaged and turned ones, and scripts of odd containers."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.errors import DataError
from crystaledge.sources.frame import Frame
from crystaledge.sources.video import VideoSource
from tests.runtime.sources.films import drawn, turned, write_film, write_gif
from tests.runtime.sources.scripted import ScriptedCapture, number_of, picture
from tests.support.messages import message_of

PICTURES = [drawn(index) for index in range(12)]


def scripted(positions_s: list[float | None], *, frame_count: int | None = None) -> tuple[list[Frame], list[str]]:
    """Frames of a film with these container times at nominal 10 Hz, and what was said."""
    said: list[str] = []
    pictures = [(picture(number), position_s) for number, position_s in enumerate(positions_s)]
    capture = ScriptedCapture(pictures, rate_fps=10.0, frame_count=frame_count)
    frames = list(VideoSource(Path("film.mp4"), connect=lambda: capture, say=said.append))
    assert capture.closed
    return frames, said


def mean_error(frame: Frame, expected: NDArray[np.uint8]) -> float:
    """Mean distance of a decoded picture from the one that was encoded."""
    return float(np.abs(frame.pixels.astype(int) - expected).mean())


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "mp4v"), (".avi", "MJPG"), (".avi", "mp4v")])
def test_a_film_comes_back_with_its_times(tmp_path: Path, suffix: str, codec: str) -> None:
    path = write_film(tmp_path / f"talk{suffix}", PICTURES, codec=codec, fps=20.0)
    said: list[str] = []
    frames = list(VideoSource(path, say=said.append))
    assert [(frame.index, frame.sequence) for frame in frames] == [(place, "talk") for place in range(12)]
    assert [frame.time_s for frame in frames] == pytest.approx([place / 20.0 for place in range(12)])
    assert all(mean_error(frame, expected) < 6 for frame, expected in zip(frames, PICTURES, strict=True))
    assert said == []


def test_colour_is_bgr(tmp_path: Path) -> None:
    blue = np.zeros((48, 64, 3), np.uint8)
    blue[:, :, 0] = 250
    frame = next(iter(VideoSource(write_film(tmp_path / "blue.avi", [blue], codec="MJPG"))))
    assert frame.pixels[:, :, 0].min() > 200
    assert frame.pixels[:, :, 1:].max() < 50


def test_frames_are_not_overwritten_by_later_ones(tmp_path: Path) -> None:
    path = write_film(tmp_path / "talk.avi", PICTURES, codec="MJPG")
    frames = list(VideoSource(path))
    assert all(not np.shares_memory(a.pixels, b.pixels) for a, b in pairwise(frames))


def test_a_grey_film_becomes_bgr(tmp_path: Path) -> None:
    path = write_film(tmp_path / "grey.avi", [np.ascontiguousarray(p[:, :, 0]) for p in PICTURES], codec="MJPG")
    frames = list(VideoSource(path))
    assert all(mean_error(frame, expected) < 6 for frame, expected in zip(frames, PICTURES, strict=True))


def test_a_film_may_be_iterated_again(tmp_path: Path) -> None:
    source = VideoSource(write_film(tmp_path / "talk.avi", PICTURES, codec="MJPG"))
    next(iter(source))
    assert len(list(source)) == len(list(source)) == 12


def test_a_variable_frame_rate_is_kept(tmp_path: Path) -> None:
    path = write_gif(tmp_path / "odd.gif", PICTURES[:5], [40, 200, 40, 500, 40])
    frames = list(VideoSource(path))
    assert [frame.time_s for frame in frames] == pytest.approx([0.0, 0.04, 0.24, 0.28, 0.78])


def test_a_turned_film_is_shown_upright(tmp_path: Path) -> None:
    upright = write_film(tmp_path / "talk.mp4", PICTURES, codec="mp4v")
    path = tmp_path / "turned.mp4"
    path.write_bytes(turned(upright.read_bytes(), 48))
    for frame, expected in zip(VideoSource(path), PICTURES, strict=True):
        assert mean_error(frame, np.rot90(expected, -1)) < 6


def test_one_pixel_is_a_film(tmp_path: Path) -> None:
    path = write_gif(tmp_path / "tiny.gif", [np.full((1, 1, 3), 40 * index, np.uint8) for index in range(3)], [40] * 3)
    assert [frame.pixels.tolist() for frame in VideoSource(path)] == [[[[40 * index] * 3]] for index in range(3)]


def test_8k_is_a_film(tmp_path: Path) -> None:
    expected = drawn(0, (4320, 7680))
    frames = list(VideoSource(write_film(tmp_path / "large.avi", [expected], codec="MJPG")))
    assert [frame.pixels.shape for frame in frames] == [(4320, 7680, 3)]
    assert np.abs(frames[0].pixels[::64, ::64].astype(int) - expected[::64, ::64]).mean() < 6


@pytest.fixture(scope="module")
def film_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A Motion JPEG film of twelve pictures."""
    return write_film(tmp_path_factory.mktemp("whole") / "a.avi", PICTURES, codec="MJPG").read_bytes()


@pytest.fixture(scope="module")
def cut_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that property-based tests write again and again."""
    return tmp_path_factory.mktemp("cut") / "cut.avi"


@given(share=st.floats(0.0, 1.0))
def test_a_film_that_was_cut_off_gives_what_there_is(film_bytes: bytes, cut_path: Path, share: float) -> None:
    cut_path.write_bytes(film_bytes[: int(share * (len(film_bytes) - 1))])
    said: list[str] = []
    frames: list[Frame] = []
    try:
        frames.extend(VideoSource(cut_path, say=said.append))
    except DataError as error:
        assert "gives no video frame" in str(error)
        assert (frames, said) == ([], [])
        return
    assert 0 < len(frames) <= 12
    # The picture at the cut may be damaged; those before it are whole.
    assert all(mean_error(frame, expected) < 6 for frame, expected in zip(frames[:-1], PICTURES, strict=False))
    told = [f"The file {cut_path} ends after {len(frames)} of 12 frames; it may be cut off."]
    assert said == (told if len(frames) < 11 else [])


def test_an_mp4_without_its_index_gives_no_frame(tmp_path: Path) -> None:
    whole = write_film(tmp_path / "talk.mp4", PICTURES, codec="mp4v").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: whole.index(b"moov")])
    with pytest.raises(DataError) as raised:
        list(VideoSource(path))
    assert f"The file {path} gives no video frame" in message_of(raised)


@pytest.mark.parametrize("opens", [True, False])
def test_no_frame_is_an_error(opens: bool) -> None:
    capture = ScriptedCapture([], frame_count=7)
    with pytest.raises(DataError, match=r"The file film\.mp4 gives no video frame"):
        list(VideoSource(Path("film.mp4"), connect=lambda: capture if opens else None))
    assert capture.closed is opens


@given(st.lists(st.one_of(st.none(), st.floats(), st.floats(0.0, 2.0)), min_size=1))
def test_times_grow_whatever_the_container_says(positions_s: list[float | None]) -> None:
    frames, said = scripted(positions_s)
    assert [number_of(frame) for frame in frames] == list(range(len(positions_s)))
    assert all(a.time_s is not None and b.time_s is not None and a.time_s < b.time_s for a, b in pairwise(frames))
    assert len(said) <= 1


def test_failing_times_are_told_once() -> None:
    frames, said = scripted([3.0, 3.5, 0.0, 0.1])
    assert [frame.time_s for frame in frames] == pytest.approx([3.0, 3.5, 3.6, 3.7])
    assert said == ["The file film.mp4 has missing or decreasing frame times; its nominal rate is used there."]


@pytest.mark.parametrize(
    ("count", "promised", "told"), [(95, 100, False), (94, 100, True), (1, 2, False), (1, 3, True), (9, None, False)]
)
def test_an_estimate_that_is_a_little_off_is_no_damage(count: int, promised: int | None, told: bool) -> None:
    _, said = scripted([place / 10 for place in range(count)], frame_count=promised)
    assert said == ([f"The file film.mp4 ends after {count} of {promised} frames; it may be cut off."] if told else [])


def test_other_pictures_than_eight_bits_are_refused() -> None:
    capture = ScriptedCapture([(np.zeros((2, 2), np.uint16), 0.0)])
    with pytest.raises(DataError, match=r"The file film\.mp4 gives pictures of dtype uint16"):
        list(VideoSource(Path("film.mp4"), connect=lambda: capture))
    assert capture.closed


def test_a_consumer_that_goes_away_closes_the_file() -> None:
    capture = ScriptedCapture([(picture(0), 0.0)] * 3)
    frames = iter(VideoSource(Path("film.mp4"), connect=lambda: capture))
    next(frames)
    del frames
    assert capture.closed


@pytest.mark.parametrize("folder", ["talking_head", "multi_person"])
def test_real_films_have_plausible_times(data_dir: Path, folder: str) -> None:
    paths = sorted((data_dir / "face_video" / folder).glob("*.mp4"))
    if not paths:
        pytest.skip(f"real video is absent: there is no film in {data_dir / 'face_video' / folder}")
    for path in paths:
        said: list[str] = []
        times_s = [frame.time_s or 0.0 for frame in VideoSource(path, say=said.append)]
        steps_s = [later - earlier for earlier, later in pairwise(times_s)]
        assert said == []
        assert times_s[0] == 0.0
        assert 1 / 61 < min(steps_s) <= max(steps_s) < 1 / 20
        assert len(times_s) >= 78


def test_the_first_frames_of_a_real_film_are_those_opencv_decodes(data_dir: Path) -> None:
    path = data_dir / "face_video" / "talking_head" / "person01.mp4"
    if not path.is_file():
        pytest.skip(f"real video is absent: there is no {path}")
    capture = cv2.VideoCapture(str(path))
    for frame in islice(VideoSource(path), 3):
        assert (frame.pixels == capture.read()[1]).all()
    capture.release()
