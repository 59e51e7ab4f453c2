"""A video file as a source. Needs OpenCV (extra `vision`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from crystaledge.errors import DataError
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.capture import Capture, Connect
from crystaledge.sources.clock import ContainerTime
from crystaledge.sources.frame import Frame
from crystaledge.sources.opencv import open_file
from crystaledge.sources.pixels import as_bgr

_WHOLE_SHARE = 0.95
"""Containers that estimate their frame count from a mean rate are wrong by less than this leaves."""


class VideoSource:
    """Frames of one video file, as one sequence, in BGR; `time_s` strictly increases, by the container's own times.

    A file that was cut off gives the frames there are and ends, with one line to `say`: the promise of a container
    may be an estimate, and what was decoded is good.

    Raises:
        DataError: while iterating: the file cannot be opened, gives no frame, or frames of a format not used here.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str | None = None,
        connect: Connect | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Name the file; it is opened when iterated, anew each time.

        Args:
            path: of the file; where `connect` is given, only shown in messages.
            name: of the sequence; the file's name without its suffix where None.
            connect: opens it, where that is not by `path`.
            say: hears one line when the container's times fail, and one when frames are missing at the end.
        """
        self.name = path.stem if name is None else name
        self._path = path
        self._connect: Connect = partial(open_file, path) if connect is None else connect
        self._say = say

    def __iter__(self) -> Iterator[Frame]:
        count = 0
        capture = self._connect()
        if capture is not None:
            with closing(capture):
                for count, frame in enumerate(self._frames(capture), 1):  # noqa: B007 (used after the loop)
                    yield frame
                self._tell_if_cut_off(count, capture.frame_count)
        if count == 0:
            msg = f"The file {self._path} gives no video frame; expected a video that OpenCV can decode."
            raise DataError(msg)

    def _frames(self, capture: Capture) -> Iterator[Frame]:
        times = ContainerTime(capture.rate_fps, on_fault=self._tell_of_times)
        index = 0
        while (pixels := capture.read()) is not None:
            bgr = as_bgr(pixels, of=f"The file {self._path}")
            yield Frame(bgr, ColorOrder.BGR, index, self.name, times.stamp(capture.position_s))
            index += 1

    def _tell_of_times(self) -> None:
        self._say(f"The file {self._path} has missing or decreasing frame times; its nominal rate is used there.")

    def _tell_if_cut_off(self, count: int, promised: int | None) -> None:
        if promised is not None and 0 < count < min(_WHOLE_SHARE * promised, promised - 1):
            self._say(f"The file {self._path} ends after {count} of {promised} frames; it may be cut off.")
