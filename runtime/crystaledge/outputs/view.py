"""What a run shows of one frame, and the one interface of everything that shows it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from crystaledge.liveness.result import Liveness
from crystaledge.sources.frame import Frame


class TrackState(Enum):
    """How far a track is from a name."""

    TENTATIVE = "tentative"
    """Seen in this frame, not crystallized yet."""
    KNOWN = "known"
    """Crystallized, to an enrolled person."""
    UNKNOWN = "unknown"
    """Crystallized, to nobody who is enrolled."""
    COASTING = "coasting"
    """Not seen in this frame; its place is predicted."""


class Stage(Enum):
    """A part of the work on one frame."""

    GATE = "gate"
    DETECT = "detect"
    TRACK = "track"
    EMBED = "embed"
    MATCH = "match"
    LIVENESS = "liveness"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """How long one stage took in one frame."""

    stage: Stage
    latency_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackView:
    """One face as it is shown."""

    track: int
    box_xyxy: tuple[float, float, float, float]
    """In pixels of the frame; may reach out of it."""
    label: str | None
    """Name of the person, or of the best match so far where `crystallized` is false."""
    score: float | None
    crystallized: bool
    coasting: bool
    quality: float | None
    progress: float | None = None
    """How far the way to a commitment has been gone, 0 to 1; None where the stopping rule does not tell."""
    liveness: Liveness | None = None
    """None where nobody watches for photographs."""

    @property
    def identified(self) -> bool:
        """The track has been committed to an enrolled person, whether or not this frame shows it."""
        return self.crystallized and self.label is not None

    @property
    def state(self) -> TrackState:
        """What the track's colour tells."""
        if self.coasting:
            return TrackState.COASTING
        if not self.crystallized:
            return TrackState.TENTATIVE
        return TrackState.KNOWN if self.identified else TrackState.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameView:
    """One frame with everything that was found in it."""

    frame: Frame
    tracks: tuple[TrackView, ...]
    processed: bool
    """False: the gate skipped the frame, nothing moved."""
    gate_share: float
    """Share of the frame that was recomputed, 0 to 1."""
    latency_ms: float
    """Of the whole frame, from its arrival to this view."""
    stages: tuple[StageTime, ...] = ()
    hidden_xyxy: tuple[tuple[float, float, float, float], ...] = ()
    """Where faces may be that no shown track stands for: candidates, newcomers, and predicted places."""
    dropped_frames: int = 0
    """Frames of this sequence that were dropped between its last view and this one."""


class StopShowing(Exception):
    """A person asked for the end, in a window; not an error: the caller ends the run as if the source had ended."""


class Sink(ABC):
    """Something that shows frames, one after another, from one thread."""

    name: ClassVar[str] = "an output"
    """What a message calls it."""

    @abstractmethod
    def show(self, view: FrameView) -> None:
        """Show one frame; the view and its pixels are not changed."""

    @abstractmethod
    def close(self) -> None:
        """Finish what was begun and let go of it; closing again does nothing."""
