"""Clips of a folder, a video and the drawn scene."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from crystaledge.errors import DataError
from crystaledge.files import sha256_of
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge_calibration.clips import MOST_FRAMES, PhotoClip, VideoClip, open_clips
from tests.e2e.conftest import write_people
from tests.support.messages import message_of

STRIDE = 3


def write_video(path: Path, *, frames: int) -> Path:
    """A video whose frame n is a field of brightness 2n."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (32, 32))
    assert writer.isOpened()
    for number in range(frames):
        writer.write(np.full((32, 32, 3), 2 * number, np.uint8))
    writer.release()
    return path


def test_a_folder_gives_one_clip_a_person(tmp_path: Path) -> None:
    folder = write_people(tmp_path, people=3, images=4)
    clips = open_clips(str(folder))
    assert [clip.name for clip in clips] == ["person00", "person01", "person02"]
    assert [clip.length for clip in clips] == [4, 4, 4]
    assert not any(clip.in_time for clip in clips)


def test_a_photograph_is_decoded_and_hashed_as_it_lies_there(tmp_path: Path) -> None:
    folder = write_people(tmp_path, people=2, images=3)
    clip = open_clips(str(folder))[1]
    files, frames = clip.files(), clip.frames()
    for number in range(3):
        path = folder / "person01" / f"{number}.png"
        assert files[number].sha256 == sha256_of(path.read_bytes())
        assert files[number].label == str(path)
        assert frames[number].color is ColorOrder.BGR
        np.testing.assert_array_equal(frames[number].pixels, cv2.imread(str(path)))


def test_a_list_of_people_keeps_only_those(tmp_path: Path) -> None:
    folder = write_people(tmp_path / "data", people=4, images=2)
    people = tmp_path / "people.txt"
    people.write_text("2\nperson01\t2\nperson03\t2\n", encoding="utf-8")
    assert [clip.name for clip in open_clips(str(folder), people=people)] == ["person01", "person03"]


@pytest.mark.parametrize(("frames", "lengths"), [(48, [16]), (100, [16, 16, 2]), (97, [16, 16, 1]), (5, [2])])
def test_a_video_is_cut_into_segments_of_every_third_frame(tmp_path: Path, frames: int, lengths: list[int]) -> None:
    clips = open_clips(str(write_video(tmp_path / "a.avi", frames=frames)))
    assert [clip.length for clip in clips] == lengths
    assert all(clip.in_time for clip in clips)
    shown = [frame for clip in clips for frame in clip.frames()]
    assert [len(clip.frames()) for clip in clips] == lengths
    expected = np.arange(0, frames, STRIDE) * 2
    np.testing.assert_allclose([frame.pixels.mean() for frame in shown], expected, atol=1.5)


def test_segments_of_a_video_share_its_hash_and_its_file_is_in_the_record_once(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.avi", frames=100)
    clips = open_clips(str(video))
    assert {file.sha256 for clip in clips for file in clip.files()} == {sha256_of(video.read_bytes())}
    assert len({clip.name for clip in clips}) == len(clips)


def test_a_folder_of_videos_gives_the_segments_of_all(tmp_path: Path) -> None:
    for name in ("b.avi", "a.AVI"):
        write_video(tmp_path / name, frames=50)
    clips = open_clips(str(tmp_path))
    assert [clip.name for clip in clips] == ["a@0", "a@48", "b@0", "b@48"]
    assert all(isinstance(clip, VideoClip) for clip in clips)


def test_a_file_that_is_no_video_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.avi"
    file.write_bytes(b"no video at all")
    with pytest.raises(DataError) as raised:
        open_clips(str(file))
    assert "gives no video frame" in message_of(raised)


def test_a_place_where_there_is_nothing_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DataError) as raised:
            open_clips(str(place))
        message_of(raised)


def test_a_photograph_that_has_gone_is_refused_by_its_name(tmp_path: Path) -> None:
    gone = tmp_path / "gone.png"
    with pytest.raises(DataError) as raised:
        PhotoClip("somebody", (gone,)).files()
    assert f"Cannot read {gone}" in message_of(raised)


def test_the_scene_draws_the_same_people_again_and_others_for_another_seed() -> None:
    first, again, others = (open_clips("synthetic", scene_seed=seed) for seed in (0, 0, 1))
    for clip, same, other in zip(first[:2], again[:2], others[:2], strict=True):
        pixels = [np.stack([frame.pixels for frame in c.frames()]) for c in (clip, same, other)]
        np.testing.assert_array_equal(pixels[0], pixels[1])
        assert (pixels[0] != pixels[2]).any(axis=(1, 2, 3)).all()
    hashes = [{file.sha256 for clip in clips for file in clip.files()} for clips in (first, again, others)]
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == len(first)
    assert not hashes[0] & hashes[2]


def test_a_drawn_clip_holds_no_more_frames_than_are_ever_held_at_once() -> None:
    clip = open_clips("synthetic")[0]
    assert clip.in_time
    assert len(clip.frames()) == clip.length == MOST_FRAMES
