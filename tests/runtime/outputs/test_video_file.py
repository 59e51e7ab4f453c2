"""A video file is whole under its name, or is not there."""

from __future__ import annotations

import stat
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.outputs.video_file import RecordingError, VideoFile, letterboxed
from tests.runtime.outputs.builders import drawn_pixels
from tests.runtime.outputs.videos import read_back
from tests.support.messages import message_of


@pytest.mark.parametrize("size_hw", [(48, 64), (33, 31), (1, 1), (2, 90)])
def test_what_was_written_is_read_back(tmp_path: Path, size_hw: tuple[int, int]) -> None:
    file = VideoFile(tmp_path, size_hw=size_hw, fps=12.5)
    for _ in range(7):
        file.write(drawn_pixels(*size_hw))
    file.finish(tmp_path / "out.mp4")
    frames, fps = read_back(tmp_path / "out.mp4")
    assert len(frames) == 7
    assert fps == 12.5
    assert frames[0].shape == (size_hw[0] + size_hw[0] % 2, size_hw[1] + size_hw[1] % 2, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert stat.S_IMODE((tmp_path / "out.mp4").stat().st_mode) == 0o600


def test_the_picture_survives(tmp_path: Path) -> None:
    picture = cv2.GaussianBlur(drawn_pixels(96, 128), (9, 9), 3.0).astype(np.uint8)
    file = VideoFile(tmp_path, size_hw=(96, 128), fps=25.0)
    for _ in range(3):
        file.write(picture)
    file.finish(tmp_path / "out.mp4")
    frames, _ = read_back(tmp_path / "out.mp4")
    assert np.abs(frames[2].astype(int) - picture).mean() < 5


def test_until_it_is_finished_nothing_has_the_name(tmp_path: Path) -> None:
    file = VideoFile(tmp_path, size_hw=(48, 64), fps=25.0)
    file.write(drawn_pixels())
    assert [path.name.startswith(".writing.") for path in tmp_path.iterdir()] == [True]
    file.discard()
    file.discard()
    assert not list(tmp_path.iterdir())


def test_a_size_that_the_codec_has_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError) as raised:
        VideoFile(tmp_path, size_hw=(16, 8192), fps=25.0)
    assert "8192x16 px" in message_of(raised)
    assert not list(tmp_path.iterdir())


class FullDisk:
    """A writer that cannot write, as OpenCV 5 tells it."""

    def write(self, picture: object) -> bool:
        return False

    def release(self) -> None: ...


def test_a_frame_that_is_not_written_loses_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = VideoFile(tmp_path, size_hw=(48, 64), fps=25.0)
    file.write(drawn_pixels())
    file._writer.release()
    monkeypatch.setattr(file, "_writer", FullDisk())
    with pytest.raises(RecordingError, match="is the disk full"):
        file.write(drawn_pixels())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["truncated", "removed", "one frame less"])
def test_a_file_that_is_not_whole_is_not_moved(tmp_path: Path, damage: str) -> None:
    file = VideoFile(tmp_path, size_hw=(48, 64), fps=25.0)
    for _ in range(3):
        file.write(drawn_pixels())
    file._writer.release()
    if damage == "truncated":
        file._temporary.write_bytes(file._temporary.read_bytes()[:-200])
    elif damage == "removed":
        file._temporary.unlink()
    else:
        file.frames += 1
    with pytest.raises(RecordingError, match="index tells of"):
        file.finish(tmp_path / "out.mp4")
    assert not list(tmp_path.iterdir())


@given(st.tuples(st.integers(1, 60), st.integers(1, 60)), st.tuples(st.integers(1, 60), st.integers(1, 60)))
def test_letterboxing_any_size_into_any(size_hw: tuple[int, int], target_hw: tuple[int, int]) -> None:
    boxed = letterboxed(np.full((*size_hw, 3), 200, np.uint8), target_hw)
    assert boxed.shape == (*target_hw, 3)
    shown = (boxed == 200).all(axis=2)
    rows, columns = shown.any(axis=1).sum(), shown.any(axis=0).sum()
    assert rows == target_hw[0] or columns == target_hw[1] or size_hw == (rows, columns)
    scale = min(target_hw[0] / size_hw[0], target_hw[1] / size_hw[1])
    assert abs(rows - max(1, scale * size_hw[0])) <= 1.5
    assert abs(columns - max(1, scale * size_hw[1])) <= 1.5


def test_a_borderless_picture_is_itself_and_an_odd_one_keeps_its_pixels() -> None:
    even, odd = drawn_pixels(48, 64), drawn_pixels(47, 63)
    assert letterboxed(even, (48, 64)) is even
    assert (letterboxed(odd, (48, 64))[:47, :63] == odd).all()
