"""A video file as a source. Needs OpenCV (extra `vision`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from crystaledge.errors import DataError
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame


class VideoSource:
    """Frames of one video file, as one sequence.

    Raises:
        DataError: the file cannot be opened, or gives no frame.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[Frame]:
        capture = cv2.VideoCapture(str(self._path))
        index = 0
        try:
            while True:
                found, pixels = capture.read()
                if not found:
                    break
                yield Frame(pixels.astype(np.uint8, copy=False), ColorOrder.BGR, index, self._path.stem)
                index += 1
        finally:
            capture.release()
        if index == 0:
            msg = f"The file {self._path} gives no video frame; expected a video that OpenCV can decode."
            raise DataError(msg)
