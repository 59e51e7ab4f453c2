"""Captures through OpenCV: files and network streams by FFmpeg, cameras by V4L2. Needs extra `vision`.

The backend is always named. Left to choose, OpenCV tries its image-sequence reader last, which prints the whole
address, password included, when it fails.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
from numpy.typing import NDArray

from crystaledge.sources.capture import Capture

_CAMERA_BACKEND = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
_MOST_FRAMES = 2**40
"""Where a container knows no duration, its frame count is beyond this or below zero."""


class OpenCvCapture:
    """An open `cv2.VideoCapture` as a `Capture`.

    `cv2.VideoCapture.read` without an array to fill allocates a new one for each picture, so nothing is copied here.
    """

    def __init__(self, capture: cv2.VideoCapture, *, timed: bool = True) -> None:
        """Take over an open capture.

        Args:
            timed: whether the backend's position is a time of capture, and not a count of frames at a nominal rate.
        """
        self._capture = capture
        self._timed = timed

    def read(self) -> NDArray[Any] | None:
        """The next picture; see `Capture`."""
        try:
            found, pixels = self._capture.read()
        except cv2.error:
            return None
        return pixels if found else None

    @property
    def position_s(self) -> float | None:
        """Of the picture that was read last."""
        return self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0 if self._timed else None

    @property
    def rate_fps(self) -> float | None:
        """As the container or driver tells."""
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        return rate if math.isfinite(rate) and rate > 0.0 else None

    @property
    def frame_count(self) -> int | None:
        """As the container tells; some formats estimate it from duration and rate."""
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        return round(count) if 0.0 < count < _MOST_FRAMES else None

    def close(self) -> None:
        """Release the device or file."""
        self._capture.release()


def open_file(path: Path, *, threads: int | None = None) -> Capture | None:
    """A video file, turned upright as its metadata says; None where FFmpeg cannot open it.

    Args:
        threads: that decode; where None, one for each CPU.
    """
    # An absolute name cannot be taken for an address, which FFmpeg would follow.
    return _open_ffmpeg(str(path.absolute()), [cv2.CAP_PROP_N_THREADS, threads] if threads else [], timed=True)


def open_film(url: str, *, open_timeout_s: float = 10.0, read_timeout_s: float = 10.0) -> Capture | None:
    """A video file on a web server; None where it cannot be opened in time."""
    return _open_ffmpeg(url, _limits(open_timeout_s, read_timeout_s), timed=True)


def open_stream(url: str, *, open_timeout_s: float = 10.0, read_timeout_s: float = 5.0) -> Capture | None:
    """A live stream; None where it cannot be opened in time.

    RTSP goes over TCP where the camera can: OpenCV asks for that unless OPENCV_FFMPEG_CAPTURE_OPTIONS says otherwise.
    One thread decodes, because each further one holds back a frame, and cameras have a thread each already. Positions
    of RTSP are the camera's RTP times; those of HTTP are counted by FFmpeg at a rate it assumes, and left out.
    """
    limits = [*_limits(open_timeout_s, read_timeout_s), cv2.CAP_PROP_N_THREADS, 1]
    return _open_ffmpeg(url, limits, timed=url.lower().startswith("rtsp"))


def open_camera(device: int | str) -> Capture | None:
    """A camera by its number or its device file; None where it is absent or in use."""
    # Two calls, since the two meanings are two overloads.
    if isinstance(device, int):
        return _opened(cv2.VideoCapture(device, _CAMERA_BACKEND), timed=True)
    return _opened(cv2.VideoCapture(device, _CAMERA_BACKEND), timed=True)


def _limits(open_timeout_s: float, read_timeout_s: float) -> list[int]:
    return [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        round(1000 * open_timeout_s),
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        round(1000 * read_timeout_s),
    ]


def _open_ffmpeg(name: str, options: Sequence[int], *, timed: bool) -> Capture | None:
    capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG, options)
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return _opened(capture, timed=timed)


def _opened(capture: cv2.VideoCapture, *, timed: bool) -> Capture | None:
    return OpenCvCapture(capture, timed=timed) if capture.isOpened() else None
