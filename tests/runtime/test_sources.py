"""Frames from folders and files; a damaged image is refused and never half shown."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.errors import DataError
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.scene.scene import SceneConfig, SyntheticSource
from crystaledge.sources.folder import FolderSource
from crystaledge.sources.images import list_images, read_image
from crystaledge.sources.open import open_source
from crystaledge.sources.video import VideoSource
from tests.support.frames import drawn_frames
from tests.support.messages import message_of

SUFFIXES = [".jpg", ".png", ".pgm", ".ppm", ".bmp"]


def drawn() -> NDArray[np.uint8]:
    """One drawn frame in BGR."""
    return np.ascontiguousarray(drawn_frames(0, 1)[0].pixels[:, :, ::-1])


def encoded(suffix: str, pixels: NDArray[np.uint8] | None = None) -> bytes:
    """A picture as a file of that kind; grey where the kind knows no colour."""
    picture = drawn() if pixels is None else pixels
    done, data = cv2.imencode(suffix, picture[:, :, 0] if suffix == ".pgm" else picture)
    assert done
    return data.tobytes()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that property-based tests write again and again."""
    return tmp_path_factory.mktemp("images") / "picture"


def refusal(path: Path) -> str:
    """The one line that this image is refused with."""
    with pytest.raises(DataError) as raised:
        read_image(path)
    message = message_of(raised)
    assert str(path) in message
    return message


@pytest.mark.parametrize("suffix", [".png", ".ppm", ".bmp"])
def test_lossless_images_come_back_in_bgr(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(encoded(suffix))
    found = read_image(tmp_path / f"a{suffix}")
    assert found.dtype == np.uint8
    assert (found == drawn()).all()


def test_grey_is_repeated_three_times(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(encoded(".pgm"))
    assert (read_image(tmp_path / "a.pgm") == drawn()[:, :, :1]).all()


def test_a_jpeg_comes_back_nearly(tmp_path: Path) -> None:
    # A smooth picture: JPEG keeps little of the noise of a drawn frame.
    smooth = cv2.GaussianBlur(drawn(), (5, 5), 2.0).astype(np.uint8)
    (tmp_path / "a.jpg").write_bytes(encoded(".jpg", smooth))
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - smooth).mean() < 4


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_of_zero_bytes_is_empty(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(b"")
    assert "is empty" in refusal(tmp_path / f"a{suffix}")


def test_a_missing_file(tmp_path: Path) -> None:
    assert "No such file or directory" in refusal(tmp_path / "a.png")


@given(st.sampled_from(SUFFIXES), st.floats(0.0, 1.0))
def test_an_image_that_was_cut_off_anywhere_is_refused(scratch: Path, suffix: str, share: float) -> None:
    whole = encoded(suffix)
    # A PNG without the checksum of its empty last chunk has lost nothing that is shown.
    last = len(whole) - (5 if suffix == ".png" else 1)
    scratch.write_bytes(whole[: round(share * last)])
    refusal(scratch)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".pgm"])
def test_the_message_says_that_it_was_cut_off(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(encoded(suffix)[:-40])
    assert "is truncated" in refusal(tmp_path / f"a{suffix}")


@given(st.binary(max_size=64))
def test_arbitrary_bytes_are_no_image(scratch: Path, data: bytes) -> None:
    scratch.write_bytes(data)
    refusal(scratch)


@given(st.sampled_from([b"P5", b"P6"]), st.text(alphabet="0123456789 #\n\t-x", max_size=24))
def test_arbitrary_netpbm_headers_raise_nothing_else(scratch: Path, kind: bytes, header: str) -> None:
    scratch.write_bytes(kind + header.encode() + b"\x00" * 16)
    try:
        found = read_image(scratch)
    except DataError:
        return
    assert found.size > 0


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"P5\n4 4\n255\n" + bytes(15), id="one-pixel-short"),
        pytest.param(b"P5 # a comment without an end", id="comment-without-an-end"),
        pytest.param(b"P5\n4 # width\n4\n255\n" + bytes(8), id="short-after-a-comment"),
        pytest.param(b"P5\n4 4\n65535\n" + bytes(31), id="sixteen-bits-short"),
        pytest.param(b"P6\n4 4\n255\n" + bytes(47), id="colour-short"),
        pytest.param(b"P5\n0 0\n255\n", id="no-pixels"),
        pytest.param(b"P5\n" + b"9" * 5000 + b" 4\n255\n", id="width-beyond-any-number"),
        pytest.param(b"P2\n2 2\n255\n1 2 3", id="plain-text-short"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(40) + b"IEND\xaeB`\x82", id="png-of-nothing"),
        pytest.param(b"\xff\xd8\xff\xd9", id="jpeg-of-nothing"),
    ],
)
def test_damaged_headers_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.pgm").write_bytes(data)
    refusal(tmp_path / "a.pgm")


def test_a_comment_in_a_pgm_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5\n# drawn by hand\n2 # wide\n2\n255\n" + bytes([0, 50, 100, 150]))
    assert read_image(tmp_path / "a.pgm")[:, :, 0].tolist() == [[0, 50], [100, 150]]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["10.png", "9.png", "1.png"], ["1.png", "9.png", "10.png"], id="numbers"),
        pytest.param(["a10.png", "a2.png", "b1.png"], ["a2.png", "a10.png", "b1.png"], id="numbers-after-letters"),
        pytest.param(["s2_10.png", "s10_1.png", "s2_9.png"], ["s2_9.png", "s2_10.png", "s10_1.png"], id="two-numbers"),
        pytest.param(["a.png", "a1.png"], ["a1.png", "a.png"], id="a-digit-comes-before-other-characters"),
        pytest.param(["02.png", "1.png", "003.png"], ["1.png", "02.png", "003.png"], id="leading-zeros"),
        pytest.param(["x\u00b2.png", "x1.png"], ["x1.png", "x\u00b2.png"], id="superscript-is-no-number"),
        pytest.param(["b.JPG", "a.jpeg", "c.Png"], ["a.jpeg", "b.JPG", "c.Png"], id="upper-case-suffix"),
    ],
)
def test_images_are_listed_in_natural_order(tmp_path: Path, names: list[str], expected: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in list_images(tmp_path)] == expected


def test_only_image_files_are_listed(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "a.png").write_bytes(b"")
    assert list_images(tmp_path) == [tmp_path / "a.png"]


def test_a_folder_of_images_is_one_sequence(tmp_path: Path) -> None:
    folder = tmp_path / "ada"
    folder.mkdir()
    pictures = [frame.pixels[:, :, ::-1] for frame in drawn_frames(0, 3)]
    for number, picture in zip((2, 10, 1), pictures, strict=True):
        (folder / f"{number}.png").write_bytes(encoded(".png", np.ascontiguousarray(picture)))
    frames = list(FolderSource(folder))
    assert [(frame.index, frame.sequence, frame.color) for frame in frames] == [
        (place, "ada", ColorOrder.BGR) for place in range(3)
    ]
    for frame, picture in zip(frames, (pictures[2], pictures[0], pictures[1]), strict=True):
        assert (frame.pixels == picture).all()


def test_subfolders_are_sequences_and_empty_ones_are_left_out(tmp_path: Path) -> None:
    for name, count in (("bob", 1), ("ada", 2), ("nobody", 0)):
        (tmp_path / name).mkdir()
        for number in range(count):
            (tmp_path / name / f"{number}.png").write_bytes(encoded(".png"))
    frames = list(open_source(str(tmp_path)))
    assert [(frame.index, frame.sequence) for frame in frames] == [(0, "ada"), (1, "ada"), (2, "bob")]


def test_images_beside_subfolders_are_the_one_sequence(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(".png"))
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "b.png").write_bytes(encoded(".png"))
    assert [frame.sequence for frame in FolderSource(tmp_path)] == [tmp_path.name]


@pytest.mark.parametrize("with_subfolder", [pytest.param(False, id="empty"), pytest.param(True, id="empty-subfolder")])
def test_a_folder_without_images_is_refused(tmp_path: Path, with_subfolder: bool) -> None:
    if with_subfolder:
        (tmp_path / "inner").mkdir()
    with pytest.raises(DataError) as raised:
        open_source(str(tmp_path))
    assert "holds no images" in message_of(raised)


def test_a_damaged_image_is_refused_when_its_turn_comes(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(encoded(".png"))
    (tmp_path / "2.png").write_bytes(encoded(".png")[:100])
    frames = iter(FolderSource(tmp_path))
    next(frames)
    with pytest.raises(DataError, match=r"2\.png is truncated"):
        next(frames)


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        open_source(str(tmp_path / "film.mp4"))
    assert "does not exist; expected a folder of images, a video file, or 'synthetic'" in message_of(raised)


def test_a_file_that_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no film at all")
    with pytest.raises(DataError) as raised:
        list(open_source(str(tmp_path / "film.mp4")))
    assert "gives no video frame" in message_of(raised)


def test_a_video_that_vanished(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gives no video frame"):
        list(VideoSource(tmp_path / "film.mp4"))


def test_the_scene_is_a_source_by_name() -> None:
    source = open_source("synthetic", scene=SceneConfig(people=1, frames_per_person=2, side_px=8))
    assert isinstance(source, SyntheticSource)
    assert len(list(source)) == 2
    assert len(list(islice(open_source("synthetic"), 1))) == 1


def test_real_video_is_one_sequence_of_frames(data_dir: Path) -> None:
    film = data_dir / "face_video" / "talking_head" / "person01.mp4"
    if not film.is_file():
        pytest.skip(f"real video is absent: there is no {film}")
    frames = list(islice(open_source(str(film)), 3))
    assert [(frame.index, frame.sequence, frame.color) for frame in frames] == [
        (place, "person01", ColorOrder.BGR) for place in range(3)
    ]
    assert len({frame.pixels.shape for frame in frames}) == 1


def test_real_pgm_images_are_read(data_dir: Path) -> None:
    folder = data_dir / "orl" / "images" / "s1"
    if not folder.is_dir():
        pytest.skip(f"real PGM images are absent: there is no folder {folder}")
    frames = list(FolderSource(folder))
    assert [int(path.stem) for path in list_images(folder)] == list(range(1, len(frames) + 1))
    assert all(frame.pixels.shape == frames[0].pixels.shape for frame in frames)
