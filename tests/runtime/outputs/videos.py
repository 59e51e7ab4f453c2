"""Reading recordings back."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


def read_back(path: Path) -> tuple[list[NDArray[np.uint8]], float]:
    """Every frame of a video, and its frames a second."""
    capture = cv2.VideoCapture(str(path))
    assert capture.isOpened(), f"{path} is no video"
    frames = list[NDArray[np.uint8]]()
    while True:
        found, pixels = capture.read()
        if not found:
            break
        frames.append(pixels.astype(np.uint8, copy=False))
    fps = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return frames, fps
