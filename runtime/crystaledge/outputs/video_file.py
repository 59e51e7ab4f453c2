"""One video file that is whole under its name, or is not there. Needs OpenCV."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import CrystalEdgeError

_CODEC = "mp4v"
"""MPEG-4 Part 2: every OpenCV can write it. Sides of at most 8191 px."""


class RecordingError(CrystalEdgeError):
    """A video could not be written to the end; no file was left."""


class VideoFile:
    """Pictures in a temporary file beside its target, readable by its owner alone; `finish` moves it there.

    A process that is killed leaves at most the temporary `.writing.*.mp4`.

    Args:
        size_hw: of the first picture; the file's own is the next even one. Pictures of other sizes are letterboxed.

    Raises:
        RecordingError: OpenCV cannot write a video of that size and rate.
    """

    def __init__(self, folder: Path, *, size_hw: tuple[int, int], fps: float) -> None:
        self.size_hw = (size_hw[0] + size_hw[0] % 2, size_hw[1] + size_hw[1] % 2)
        self.frames = 0
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".writing.", suffix=".mp4", dir=folder)
        os.close(handle)
        self._temporary = Path(name)
        height, width = self.size_hw
        self._writer = cv2.VideoWriter(name, cv2.VideoWriter.fourcc(*_CODEC), fps, (width, height))
        if not self._writer.isOpened():
            self.discard()
            msg = (
                f"OpenCV writes no mp4 video of {width}x{height} px at {fps:g} frames a second (8190 px a side at most)"
            )
            raise RecordingError(msg)

    def write(self, picture: NDArray[np.uint8]) -> None:
        """Add one picture, uint8 BGR `(H, W, 3)`.

        Raises:
            RecordingError: it could not be written, and the file is lost; OpenCV 4 tells this in `finish` only.
        """
        # What the operating system said is not handed on by OpenCV.
        if self._writer.write(letterboxed(picture, self.size_hw)) is False:
            self.discard()
            msg = "the video could not be written to (is the disk full, or a quota used up?)"
            raise RecordingError(msg)
        self.frames += 1

    def finish(self, target: Path) -> None:
        """Close the file, read its index back and move it to its place.

        Raises:
            RecordingError: it is not whole; it has been removed.
        """
        self._writer.release()
        try:
            found = _frames_in(self._temporary)
            if found != self.frames:
                msg = f"the video's index tells of {max(found, 0)} frames where {self.frames} were written"
                raise RecordingError(msg)
            os.replace(self._temporary, target)  # noqa: PTH105
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove the temporary file."""
        self._writer.release()
        self._temporary.unlink(missing_ok=True)


def letterboxed(picture: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture uint8 `(H, W, 3)` in the middle of black borders; its aspect ratio stays, and so does a size that
    differs by less than 2 px."""
    if picture.shape[:2] == size_hw:
        return picture
    inner = _scaled(picture, size_hw)
    boxed: NDArray[np.uint8] = np.zeros((*size_hw, 3), np.uint8)
    top, left = (size_hw[0] - inner.shape[0]) // 2, (size_hw[1] - inner.shape[1]) // 2
    boxed[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return boxed


def _scaled(picture: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    if 0 <= size_hw[0] - height < 2 and 0 <= size_hw[1] - width < 2:
        return picture
    scale = min(size_hw[0] / height, size_hw[1] / width)
    inner_hw = (max(1, min(size_hw[0], round(height * scale))), max(1, min(size_hw[1], round(width * scale))))
    filter_ = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(picture, inner_hw[::-1], interpolation=filter_).astype(np.uint8, copy=False)


def _frames_in(path: Path) -> int:
    """Frames that a video's index names; 0 or less where it has none."""
    capture = cv2.VideoCapture(str(path))
    try:
        return int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    finally:
        capture.release()
