"""`--record`: files that are whole or absent, whatever happens to the disk or the process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import crystaledge.outputs.record as record_module
from crystaledge.errors import OutputExistsError, UsageError
from crystaledge.outputs.privacy import Privacy
from crystaledge.outputs.record import Recorder
from tests.runtime.outputs.builders import KNOWN, drawn_pixels, frame_view, track_view
from tests.runtime.outputs.videos import read_back
from tests.support.messages import message_of

ROOT = Path(__file__).parents[3]
OTHER_PROCESS = """
import os, resource, signal, sys
import numpy as np
from pathlib import Path
from crystaledge.outputs.record import Recorder
from tests.runtime.outputs.builders import frame_view
path, plan = Path(sys.argv[1]), sys.argv[2]
if plan == "quota":
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
noise = np.random.default_rng(0)
recorder = Recorder(path, 25.0, say=print)
for index in range(80):
    recorder.show(frame_view(noise.integers(0, 255, (240, 320, 3), dtype=np.uint8), index=index))
    if plan == "kill" and index == 40:
        os.kill(os.getpid(), signal.SIGKILL)
recorder.close()
print("went on")
"""


class Usage(NamedTuple):
    """What shutil says of a disk."""

    total: int
    used: int
    free: int


def record(recorder: Recorder, *sequences: str, frames: int = 3) -> None:
    """Some frames of each sequence, in turn."""
    for number in range(frames):
        for sequence in sequences:
            recorder.show(frame_view(tracks=[KNOWN], index=number, sequence=sequence))


def in_another_process(path: Path, plan: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", OTHER_PROCESS, str(path), plan]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment, timeout=120)


def test_a_recording_has_every_frame_annotated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = list[str]()
    recorder = Recorder(tmp_path / "new" / "out.mp4", say=said.append)
    track = track_view(box_xyxy=(20, 20, 140, 100))
    for number in range(30):
        pixels = np.zeros((120, 160, 3), np.uint8)
        recorder.show(frame_view(pixels, [track], index=number, time_s=7.0 + number / 15))
    recorder.close()
    frames, fps = read_back(tmp_path / "new" / "out.mp4")
    assert (len(frames), fps) == (30, 15.0)
    assert all(frame.max() > 150 for frame in frames)
    assert not said


def test_faces_of_strangers_are_recorded_as_privacy_says(tmp_path: Path) -> None:
    stranger = track_view(box_xyxy=(0, 0, 160, 160))
    detail = []
    for privacy in Privacy:
        recorder = Recorder(tmp_path / f"{privacy.value}.mp4", 25.0, say=print, privacy=privacy)
        recorder.show(frame_view(drawn_pixels(160, 160), [stranger]))
        recorder.close()
        picture = read_back(tmp_path / f"{privacy.value}.mp4")[0][0].astype(int)
        detail.append(np.abs(np.diff(picture[40:140, 20:140], axis=0)).mean())
    assert detail[1] < 0.7 * detail[0]


def test_each_camera_has_a_file(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "out.mp4", 25.0, say=print)
    record(recorder, "door", "yard", frames=4)
    recorder.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.door.mp4", "out.yard.mp4"]
    assert all(len(read_back(path)[0]) == 4 for path in tmp_path.iterdir())


def test_sequences_one_after_another_do_not_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "OPEN_CLIPS", 2)
    recorder = Recorder(tmp_path / "out.mp4", 25.0, say=print)
    for sequence in ("a", "b", "c", "d"):
        record(recorder, sequence)
        assert len(list(tmp_path.glob(".writing.*"))) <= 2
    with pytest.raises(UsageError) as raised:
        record(recorder, "a")
    assert "came back" in message_of(raised)
    recorder.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"out.{name}.mp4" for name in "abcd"]


def test_an_existing_file_is_refused_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_bytes(b"mine")
    with pytest.raises(OutputExistsError):
        Recorder(tmp_path / "out.mp4", say=print)
    recorder = Recorder(tmp_path / "out.mp4", say=print, force=True)
    record(recorder, "door")
    assert (tmp_path / "out.mp4").read_bytes() == b"mine"
    recorder.close()
    assert len(read_back(tmp_path / "out.mp4")[0]) == 3


def test_the_other_recording_survives_a_refused_one(tmp_path: Path) -> None:
    (tmp_path / "out.yard.mp4").write_bytes(b"mine")
    recorder = Recorder(tmp_path / "out.mp4", 25.0, say=print)
    record(recorder, "door")
    with pytest.raises(OutputExistsError):
        record(recorder, "yard")
    recorder.close()
    assert (tmp_path / "out.yard.mp4").read_bytes() == b"mine"
    assert len(read_back(tmp_path / "out.mp4")[0]) == 3


@pytest.mark.parametrize(("name", "fps"), [("out.avi", None), ("out", None), ("o.mp4", 0.0), ("o.mp4", float("nan"))])
def test_what_cannot_be_recorded_is_refused(tmp_path: Path, name: str, fps: float | None) -> None:
    with pytest.raises(UsageError) as raised:
        Recorder(tmp_path / name, fps, say=print)
    assert "A recording" in message_of(raised)


def test_a_disk_that_becomes_full_stops_recording_and_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = list[str]()
    recorder = Recorder(tmp_path / "out.mp4", 25.0, say=said.append)
    record(recorder, "door", frames=5)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 2**40, record_module.RESERVE_BYTES - 1))
    record(recorder, "door", frames=5)
    recorder.close()
    assert len(said) == 1
    assert "recording stopped: less than 64 MiB of disk are left" in said[0]
    assert f"kept {tmp_path / 'out.mp4'} (5 frames); the run goes on" in said[0]
    assert len(read_back(tmp_path / "out.mp4")[0]) == 5


def test_a_quota_that_is_used_up_stops_recording_and_leaves_nothing(tmp_path: Path) -> None:
    done = in_another_process(tmp_path / "out.mp4", "quota")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert len(lines) == 2
    assert lines[0].startswith("recording stopped: ")
    assert f"removed {tmp_path / 'out.mp4'}" in lines[0]
    assert lines[1] == "went on"
    assert not list(tmp_path.iterdir())


def test_a_kill_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    done = in_another_process(tmp_path / "out.mp4", "kill")
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert all(path.name.startswith(".writing.") for path in tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    said = list[str]()
    recorder = Recorder(tmp_path / "file" / "out.mp4", 25.0, say=said.append)
    record(recorder, "door")
    recorder.close()
    assert len(said) == 1
    assert "recording stopped" in said[0]


def test_a_temporary_file_that_somebody_removed_is_told_at_the_end(tmp_path: Path) -> None:
    said = list[str]()
    recorder = Recorder(tmp_path / "out.mp4", 25.0, say=said.append)
    record(recorder, "door", "yard")
    next(tmp_path.glob(".writing.*")).unlink()
    recorder.close()
    recorder.close()
    assert len(said) == 1
    assert "recording failed at the end; kept " in said[0]
    assert "; removed " in said[0]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_run_without_frames_records_nothing(tmp_path: Path) -> None:
    said = list[str]()
    Recorder(tmp_path / "out.mp4", say=said.append).close()
    assert not said
    assert not list(tmp_path.iterdir())
