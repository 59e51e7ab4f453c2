"""`--show`: refused in one line where there are no windows; ended by a key or by closing the window."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import cv2
import numpy as np
import pytest

from crystaledge.errors import CrystalEdgeError, UsageError
from crystaledge.outputs import window as window_module
from crystaledge.outputs.view import StopShowing
from crystaledge.outputs.window import Window, why_no_window
from tests.runtime.outputs.builders import frame_view
from tests.support.messages import message_of


class FakeDesktop:
    """What OpenCV's windows do, with a person who presses keys and closes windows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.windows: dict[str, list[np.ndarray[Any, Any]]] = {}
        self.sizes: dict[str, tuple[int, int]] = {}
        self.key = -1
        self.gone = False
        monkeypatch.setattr(cv2, "namedWindow", lambda title, flags: self.windows.setdefault(title, []))
        monkeypatch.setattr(cv2, "resizeWindow", lambda title, *size: self.sizes.__setitem__(title, size))
        monkeypatch.setattr(cv2, "imshow", lambda title, picture: self.windows[title].append(picture))
        monkeypatch.setattr(cv2, "waitKey", lambda delay_ms: self.key)
        monkeypatch.setattr(cv2, "getWindowProperty", self._property)
        monkeypatch.setattr(cv2, "destroyWindow", lambda title: self.windows.pop(title))

    def _property(self, title: str, which: int) -> float:
        if self.gone:
            msg = "NULL guiReceiver (please create a window)"
            raise cv2.error(msg)
        return 1.0 if title in self.windows else -1.0


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> FakeDesktop:
    return FakeDesktop(monkeypatch)


def window(*cameras: str) -> Window:
    """A window on the fake desktop."""
    return Window(cameras=cameras, probe=lambda: None)


def test_an_opencv_without_windows_is_refused_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "")
    with pytest.raises(UsageError) as raised:
        Window()
    assert "pip install opencv-python." in message_of(raised)


@pytest.mark.skipif(bool(cv2.currentUIFramework()), reason="this OpenCV has windows")
def test_the_probe_s_own_command_fails_on_a_headless_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "QT5")
    with pytest.raises(UsageError) as raised:
        Window()
    assert "no window can be opened here" in message_of(raised)
    assert "set DISPLAY" in message_of(raised)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param("pass", None, id="works"),
        pytest.param("import os; os.abort()", "no window can be opened here; set DISPLAY", id="qt-aborts"),
        pytest.param("import time; time.sleep(60)", "did not open within 1 s", id="hangs"),
    ],
)
def test_the_probe(monkeypatch: pytest.MonkeyPatch, code: str, expected: str | None) -> None:
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "QT5")
    monkeypatch.setattr(window_module, "_PROBE", code)
    if expected is not None and "within" in expected:
        monkeypatch.setattr(window_module, "_PROBE_LIMIT_S", 1.0)
    found = why_no_window()
    assert found is None if expected is None else expected in (found or "")


def test_frames_are_shown_and_the_window_is_closed(desktop: FakeDesktop) -> None:
    shown = window()
    for index in range(3):
        shown.show(frame_view(index=index, sequence=f"folder{index}"))
    assert {title: len(pictures) for title, pictures in desktop.windows.items()} == {"CrystalEdge": 3}
    shown.close()
    shown.close()
    assert not desktop.windows


def test_cameras_have_windows_of_their_own(desktop: FakeDesktop) -> None:
    shown = window("door", "yard")
    for sequence in ("door", "yard", "door", "else"):
        shown.show(frame_view(sequence=sequence))
    assert sorted(desktop.windows) == ["CrystalEdge", "CrystalEdge - door", "CrystalEdge - yard"]


def test_a_large_frame_fits_the_desktop_at_first(desktop: FakeDesktop) -> None:
    window().show(frame_view(np.zeros((2160, 3840, 3), np.uint8)))
    assert desktop.sizes == {"CrystalEdge": (1280, 720)}


@pytest.mark.parametrize("key", [ord("q"), ord("Q"), 27, ord("q") | 0x100000])
def test_a_key_ends_it(desktop: FakeDesktop, key: int) -> None:
    desktop.key = key
    with pytest.raises(StopShowing):
        window().show(frame_view())


def test_other_keys_do_not(desktop: FakeDesktop) -> None:
    desktop.key = ord("x")
    window().show(frame_view())


@pytest.mark.parametrize("how", ["closed", "the last one, in Qt"])
def test_closing_a_window_ends_it(desktop: FakeDesktop, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    shown = window("door", "yard")
    shown.show(frame_view(sequence="door"))
    shown.show(frame_view(sequence="yard"))
    if how == "closed":
        monkeypatch.setattr(desktop, "_property", None)
        monkeypatch.setattr(cv2, "getWindowProperty", lambda title, which: -1.0 if "door" in title else 1.0)
        monkeypatch.setattr(
            cv2, "destroyWindow", lambda title: desktop.windows.pop(title) if "yard" in title else 1 / 0
        )
    else:
        desktop.gone = True
    with pytest.raises(StopShowing):
        shown.show(frame_view(sequence="yard"))
    shown.close()


def test_the_end_is_no_error_of_ours() -> None:
    # main() would turn one into exit status 2.
    assert not issubclass(StopShowing, CrystalEdgeError)


def test_the_probe_runs_this_python(monkeypatch: pytest.MonkeyPatch, desktop: FakeDesktop) -> None:
    commands = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "GTK3")
    monkeypatch.setattr(subprocess, "run", run)
    Window().show(frame_view())
    assert commands[0][0] == sys.executable
