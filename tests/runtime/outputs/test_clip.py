"""One sequence's recording: its rate comes from the source, its duration is that of what was seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import crystaledge.outputs.clip as clip_module
from crystaledge.outputs.clip import Clip
from crystaledge.outputs.video_file import RecordingError
from tests.runtime.outputs.builders import drawn_pixels
from tests.runtime.outputs.videos import read_back


def recorded(path: Path, times_s: list[float | None], fps: float | None = None) -> tuple[int, float]:
    """Number of frames and rate of the recording of frames with these timestamps."""
    clip = Clip(path.parent, fps=fps)
    for time_s in times_s:
        clip.add(drawn_pixels(), time_s)
    clip.finish(path)
    frames, found = read_back(path)
    assert clip.frames == len(frames)
    return len(frames), found


@pytest.mark.parametrize(
    ("times", "fps", "expected"),
    [
        pytest.param([n / 20 for n in range(40)], None, (40, 20.0), id="steady"),
        pytest.param([n / 20 for n in range(4)], None, (4, 20.0), id="over-before-the-rate-is-known"),
        pytest.param([n / 20 for n in range(20)] + [3.0 + n / 20 for n in range(20)], None, (80, 20.0), id="pause"),
        pytest.param([n / 40 for n in range(40)], 10.0, (11, 10.0), id="skipping"),
        pytest.param([n / 5 for n in range(10)], 20.0, (37, 20.0), id="repeating"),
        pytest.param([None] * 30, None, (30, 25.0), id="no-timestamps"),
        pytest.param([None] * 30, 12.0, (30, 12.0), id="no-timestamps-and-a-rate"),
        pytest.param([5.0], None, (1, 25.0), id="one-frame"),
    ],
)
def test_frames_and_rate(
    tmp_path: Path, times: list[float | None], fps: float | None, expected: tuple[int, float]
) -> None:
    assert recorded(tmp_path / "out.mp4", times, fps) == expected


def test_a_new_size_is_letterboxed_into_the_first(tmp_path: Path) -> None:
    clip = Clip(tmp_path, fps=25.0)
    clip.add(np.full((40, 80, 3), 200, np.uint8), None)
    clip.add(np.full((80, 80, 3), 200, np.uint8), None)
    clip.finish(tmp_path / "out.mp4")
    frames, _ = read_back(tmp_path / "out.mp4")
    assert [frame.shape for frame in frames] == [(40, 80, 3)] * 2
    assert frames[0][:, 4].mean() > 180
    assert frames[1][:, 4].mean() < 40
    assert frames[1][:, 40].mean() > 180


def test_few_large_frames_wait_for_the_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_module, "_WAIT_BYTES", 3 * drawn_pixels().nbytes)
    clip = Clip(tmp_path, fps=None)
    waits = []
    for number in range(4):
        clip.add(drawn_pixels(), number / 10)
        waits.append(not list(tmp_path.iterdir()))
    clip.discard()
    assert waits == [True, True, False, False]
    assert not list(tmp_path.iterdir())


def test_a_clip_that_cannot_be_finished_leaves_nothing(tmp_path: Path) -> None:
    clip = Clip(tmp_path, fps=25.0)
    clip.add(drawn_pixels(), None)
    next(tmp_path.glob(".writing.*")).unlink()
    with pytest.raises(RecordingError):
        clip.finish(tmp_path / "out.mp4")
    assert not list(tmp_path.iterdir())


def test_a_clip_without_frames_is_no_file(tmp_path: Path) -> None:
    Clip(tmp_path, fps=None).finish(tmp_path / "out.mp4")
    assert not list(tmp_path.iterdir())
