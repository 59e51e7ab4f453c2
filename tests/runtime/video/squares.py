"""Films of squares on grey, and pipelines that watch them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.outputs.view import FrameView
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame
from crystaledge.video.events import FaceEvent, FaceTurn
from crystaledge.video.pipeline import VideoPipeline
from tests.runtime.video.colours import WHITE

GREY = 127
FPS = 10.0


@dataclass(frozen=True)
class Square:
    """One square of one frame, in pixels."""

    x: int
    y: int
    side: int = 20
    colour: tuple[int, int, int] = WHITE

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x1, y1, x2, y2."""
        return float(self.x), float(self.y), float(self.x + self.side), float(self.y + self.side)


def painted(
    squares: Iterable[Square], size_hw: tuple[int, int] = (128, 128), *, ground: int = GREY
) -> NDArray[np.uint8]:
    """A picture, later squares in front."""
    pixels = np.full((*size_hw, 3), ground, np.uint8)
    for square in squares:
        rows = slice(max(square.y, 0), max(square.y + square.side, 0))
        pixels[rows, max(square.x, 0) : max(square.x + square.side, 0)] = square.colour
    return pixels


def frame_of(
    index: int,
    squares: Iterable[Square],
    *,
    sequence: str = "door",
    time_s: float | None = -1.0,
    size_hw: tuple[int, int] = (128, 128),
    ground: int = GREY,
) -> Frame:
    """One frame; a time of -1 is that of its index at 10 frames a second."""
    time = index / FPS if time_s == -1.0 else time_s
    return Frame(painted(squares, size_hw, ground=ground), ColorOrder.RGB, index, sequence, time)


def film(
    scenes: Sequence[Sequence[Square]], *, sequence: str = "door", first: int = 0, size_hw: tuple[int, int] = (128, 128)
) -> list[Frame]:
    """One frame for each list of squares."""
    return [frame_of(first + i, squares, sequence=sequence, size_hw=size_hw) for i, squares in enumerate(scenes)]


def walk(
    start: tuple[int, int],
    step: tuple[int, int],
    count: int,
    colour: tuple[int, int, int] = WHITE,
    side: int = 20,
) -> list[list[Square]]:
    """A square that moves by the same step from frame to frame."""
    return [[Square(start[0] + step[0] * i, start[1] + step[1] * i, side=side, colour=colour)] for i in range(count)]


def events_of(pipeline: VideoPipeline, frames: Iterable[Frame]) -> list[FaceEvent]:
    """All events of one camera's frames."""
    return [event for frame in frames for result in pipeline.process([frame]) for event in result.events]


def views_of(pipeline: VideoPipeline, frames: Iterable[Frame]) -> list[FrameView]:
    """What each frame of one camera can be shown with."""
    return [result.view for frame in frames for result in pipeline.process([frame])]


def turns(events: Iterable[FaceEvent]) -> list[tuple[int, FaceTurn, int]]:
    """Frame, turn and track of each event."""
    return [(event.frame, event.turn, event.track) for event in events]


def told(events: Iterable[FaceEvent], turn: FaceTurn) -> list[FaceEvent]:
    """The events of one turn."""
    return [event for event in events if event.turn is turn]
