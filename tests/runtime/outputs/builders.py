"""Views of drawn people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from crystaledge.liveness.result import Liveness
from crystaledge.outputs.view import FrameView, Sink, TrackView
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame
from tests.support.frames import drawn_frames

NAME = "Ada Example"


def drawn_pixels(height: int = 48, width: int = 64, *, person: int = 0) -> NDArray[np.uint8]:
    """A drawn person in RGB, stretched to a size."""
    return cv2.resize(drawn_frames(person, 1)[0].pixels, (width, height)).astype(np.uint8)


def track_view(
    track: int = 3,
    box_xyxy: tuple[float, float, float, float] = (10.0, 10.0, 40.0, 40.0),
    *,
    label: str | None = None,
    crystallized: bool = False,
    coasting: bool = False,
    score: float | None = 0.5,
    progress: float | None = None,
    liveness: Liveness | None = None,
) -> TrackView:
    """A track of nobody in particular."""
    return TrackView(
        track=track,
        box_xyxy=box_xyxy,
        label=label,
        score=score,
        crystallized=crystallized,
        coasting=coasting,
        quality=0.8,
        progress=progress,
        liveness=liveness,
    )


KNOWN = track_view(label=NAME, crystallized=True)


def frame_view(
    pixels: NDArray[np.uint8] | None = None,
    tracks: Sequence[TrackView] = (),
    *,
    color: ColorOrder = ColorOrder.RGB,
    index: int = 0,
    sequence: str = "door",
    time_s: float | None = None,
    processed: bool = True,
    gate_share: float = 0.25,
    latency_ms: float = 12.0,
    dropped_frames: int = 0,
) -> FrameView:
    """A view of a drawn frame."""
    frame = Frame(drawn_pixels() if pixels is None else pixels, color, index, sequence, time_s)
    return FrameView(
        frame=frame,
        tracks=tuple(tracks),
        processed=processed,
        gate_share=gate_share,
        latency_ms=latency_ms,
        dropped_frames=dropped_frames,
    )


class PlantedSink(Sink):
    """Notes what is asked of it, and fails as it was told to."""

    name: ClassVar[str] = "the planted output"

    def __init__(self, *, on_show: BaseException | None = None, on_close: BaseException | None = None) -> None:
        self._on_show, self._on_close = on_show, on_close
        self.shown: list[int] = []
        self.closed = 0

    def show(self, view: FrameView) -> None:
        self.shown.append(view.frame.index)
        if self._on_show is not None:
            raise self._on_show

    def close(self) -> None:
        self.closed += 1
        if self._on_close is not None:
            raise self._on_close
