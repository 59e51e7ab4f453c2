"""Captures, clocks and sources that do what a script says, for the sources' tests."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame


def picture(number: int) -> NDArray[np.uint8]:
    """A picture of one pixel that shows its number, below 2**24."""
    return np.array([[[number & 255, number >> 8 & 255, number >> 16 & 255]]], np.uint8)


def number_of(frame: Frame) -> int:
    """What `picture` has drawn."""
    low, middle, high = (int(value) for value in frame.pixels[0, 0])
    return low | middle << 8 | high << 16


class ScriptedCapture:
    """Gives the pictures of a list with their positions, then nothing."""

    def __init__(
        self,
        pictures: Iterable[tuple[NDArray[Any], float | None]],
        *,
        rate_fps: float | None = None,
        frame_count: int | None = None,
    ) -> None:
        self._pictures = iter(pictures)
        self._position_s: float | None = None
        self._rate_fps, self._frame_count = rate_fps, frame_count
        self.closed = False

    def read(self) -> NDArray[Any] | None:
        assert not self.closed, "a closed capture is read"
        pixels, self._position_s = next(self._pictures, (None, None))
        return pixels

    @property
    def position_s(self) -> float | None:
        return self._position_s

    @property
    def rate_fps(self) -> float | None:
        return self._rate_fps

    @property
    def frame_count(self) -> int | None:
        return self._frame_count

    def close(self) -> None:
        assert not self.closed, "a capture is closed twice"
        self.closed = True


class ScriptedConnect:
    """Connections one after another: None cannot be opened, a list is the positions of the pictures it gives.

    Pictures are numbered across connections; after the last connection nothing can be opened.
    """

    def __init__(self, connections: Sequence[Sequence[float | None] | None]) -> None:
        self._connections = iter(connections)
        self._count = 0
        self.calls = 0
        self.captures: list[ScriptedCapture] = []

    def __call__(self) -> ScriptedCapture | None:
        assert all(capture.closed for capture in self.captures), "the last connection was left open"
        self.calls += 1
        positions = next(self._connections, None)
        if positions is None:
            return None
        numbered = [(picture(self._count + place), position) for place, position in enumerate(positions)]
        self._count += len(numbered)
        self.captures.append(ScriptedCapture(numbered))
        return self.captures[-1]


class ScriptedClock:
    """Readings of a list, and the last one for ever."""

    def __init__(self, readings_s: Sequence[float]) -> None:
        self._readings_s = list(readings_s)

    def __call__(self) -> float:
        return self._readings_s.pop(0) if len(self._readings_s) > 1 else self._readings_s[0]


class ListSource:
    """Numbered frames of one sequence, then an error where one is given."""

    def __init__(self, count: int, *, name: str = "list", error: BaseException | None = None) -> None:
        self.name = name
        self._count, self._error = count, error

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self._count):
            yield Frame(picture(index), ColorOrder.BGR, index, self.name)
        if self._error is not None:
            raise self._error


class HangingSource:
    """Frames, and then a read that does not come back before `free` is set."""

    def __init__(self, count: int, *, name: str = "hanging") -> None:
        self.name = name
        self.free, self.hangs = threading.Event(), threading.Event()
        self._frames = ListSource(count, name=name)

    def __iter__(self) -> Iterator[Frame]:
        yield from self._frames
        self.hangs.set()
        self.free.wait()
        yield Frame(picture(999), ColorOrder.BGR, 999, self.name)
