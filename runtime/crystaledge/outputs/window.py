"""`--show`: the annotated frames in windows of this desktop. Needs OpenCV with windows: the wheel `opencv-python`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import ClassVar

import cv2

from crystaledge.errors import UsageError
from crystaledge.outputs.annotate import annotated
from crystaledge.outputs.privacy import Privacy
from crystaledge.outputs.view import FrameView, Sink, StopShowing

_PROBE = "import cv2; cv2.namedWindow('probe'); cv2.destroyAllWindows()"
_PROBE_LIMIT_S = 60.0
_FIRST_SIZE = (1280, 720)
"""Width and height in which a larger frame is shown at first; the window can be resized."""
_STOP_KEYS = frozenset({ord("q"), ord("Q"), 27})


class Window(Sink):
    """Shows frames as they come, one window for each camera and one for all other sequences.

    Args:
        cameras: sequences that get a window of their own.
        probe: tells why no window can be opened here, or None.

    Raises:
        UsageError: this OpenCV has no windows, or there is no display.
    """

    name: ClassVar[str] = "the window"

    def __init__(
        self,
        *,
        title: str = "CrystalEdge",
        cameras: Sequence[str] = (),
        privacy: Privacy = Privacy.SHOW,
        probe: Callable[[], str | None] | None = None,
    ) -> None:
        problem = (probe or why_no_window)()
        if problem is not None:
            raise UsageError(problem)
        self._title, self._cameras, self._privacy = title, frozenset(cameras), privacy
        self._open: list[str] = []

    def show(self, view: FrameView) -> None:
        """Show one frame.

        Raises:
            StopShowing: q or Escape was pressed, or a window was closed.
        """
        picture = annotated(view, privacy=self._privacy)
        sequence = view.frame.sequence
        title = f"{self._title} - {sequence}" if sequence in self._cameras else self._title
        if title not in self._open:
            self._open_window(title, picture.shape[1], picture.shape[0])
        cv2.imshow(title, picture)
        if cv2.waitKey(1) & 0xFF in _STOP_KEYS or not all(map(_is_open, self._open)):
            msg = "a person asked for the end"
            raise StopShowing(msg)

    def close(self) -> None:
        """Close the windows that are open still."""
        titles, self._open = self._open, []
        for title in filter(_is_open, titles):
            cv2.destroyWindow(title)

    def _open_window(self, title: str, width: int, height: int) -> None:
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        shrink = min(1.0, _FIRST_SIZE[0] / width, _FIRST_SIZE[1] / height)
        cv2.resizeWindow(title, max(1, round(width * shrink)), max(1, round(height * shrink)))
        self._open.append(title)


def why_no_window() -> str | None:
    """Why OpenCV can open no window here; None where it can.

    Asked in a process of its own, since OpenCV's Qt ends the process that has no display.
    """
    if not cv2.currentUIFramework():
        return (
            "--show needs an OpenCV with windows, and this one has none: "
            "pip uninstall opencv-python-headless, then pip install opencv-python."
        )
    try:
        command = [sys.executable, "-c", _PROBE]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PROBE_LIMIT_S)
    except subprocess.TimeoutExpired:
        return f"--show: a window did not open within {_PROBE_LIMIT_S:g} s; look at the display, or leave out --show."
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    reason = f" ({lines[-1].strip()})" if lines else ""
    return f"--show: no window can be opened here{reason}; set DISPLAY to a display of yours, or leave out --show."


def _is_open(title: str) -> bool:
    try:
        return cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) >= 1
    except cv2.error:  # Qt's answer once its last window is closed
        return False
