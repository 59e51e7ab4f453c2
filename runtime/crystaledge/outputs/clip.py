"""The recording of one sequence: finds its frame rate, then writes at that rate. Needs OpenCV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystaledge.outputs.timeline import Timeline, rate_of
from crystaledge.outputs.video_file import VideoFile

_WAIT_FRAMES = 10
_WAIT_BYTES = 64 * 2**20
"""Pictures that wait until the rate is known take no more memory than that, but for the two that it needs."""

Picture = NDArray[np.uint8]


class Clip:
    """Pictures with timestamps in, a file with a constant frame rate out.

    Args:
        fps: None takes it from the first ten timestamps.
    """

    def __init__(self, folder: Path, *, fps: float | None) -> None:
        self._folder, self._fps = folder, fps
        self._waiting: list[tuple[Picture, float | None]] = []
        self._file: VideoFile | None = None
        self._timeline: Timeline | None = None
        self._held: Picture | None = None

    @property
    def frames(self) -> int:
        """Pictures in the file by now."""
        return 0 if self._file is None else self._file.frames

    def add(self, picture: Picture, time_s: float | None) -> None:
        """One more picture, uint8 BGR `(H, W, 3)`, which is kept and must not be changed.

        Raises:
            RecordingError: it could not be written; what was recorded is lost.
        """
        if self._timeline is not None:
            self._put(picture, time_s, self._timeline)
            return
        self._waiting.append((picture, time_s))
        if self._knows_enough():
            self._begin()

    def finish(self, target: Path) -> None:
        """Write what waits and move the file to its place.

        Raises:
            RecordingError: see `add`; no file was left.
        """
        try:
            if self._timeline is None:
                self._begin()
            self._write_held(1)
            if self._file is not None:
                self._file.finish(target)
        finally:
            self.discard()

    def discard(self) -> None:
        """Leave no file behind."""
        if self._file is not None:
            self._file.discard()

    def _knows_enough(self) -> bool:
        waiting = len(self._waiting)
        full = waiting >= 2 and sum(picture.nbytes for picture, _ in self._waiting) >= _WAIT_BYTES
        return self._fps is not None or self._waiting[-1][1] is None or waiting >= _WAIT_FRAMES or full

    def _begin(self) -> None:
        fps = rate_of([time_s for _, time_s in self._waiting]) if self._fps is None else self._fps
        if self._waiting:
            height, width = self._waiting[0][0].shape[:2]
            self._file = VideoFile(self._folder, size_hw=(height, width), fps=fps)
        self._timeline = Timeline(fps)
        waiting, self._waiting = self._waiting, []
        for picture, time_s in waiting:
            self._put(picture, time_s, self._timeline)

    def _put(self, picture: Picture, time_s: float | None, timeline: Timeline) -> None:
        self._write_held(timeline.advance(time_s))
        self._held = picture

    def _write_held(self, times: int) -> None:
        for _ in range(times):
            if self._file is not None and self._held is not None:
                self._file.write(self._held)
