"""What the video pipeline says: turns in the life of a face, not a line for every frame."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from crystaledge.liveness.result import LivenessResult
from crystaledge.pipeline import TrackEvent


class FaceTurn(Enum):
    """What happened to a face."""

    APPEARED = "appeared"
    """A track was seen often enough to be somebody."""
    IDENTIFIED = "identified"
    """The stopping rule has committed it to an enrolled person."""
    UNKNOWN = "unknown"
    """The stopping rule has committed it to nobody."""
    DOUBTED = "doubted"
    """It no longer looks like whom it was committed to; it is looked at anew."""
    LIVENESS = "liveness"
    """It was found alive, or taken for a photograph, or neither is known any more; see `FaceEvent.liveness`."""
    LOST = "lost"
    """It is not in view any more."""
    RETURNED = "returned"
    """It is in view again, under its old number."""
    ENDED = "ended"
    """It was away too long, or was another track all along; its state has been wiped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceEvent(TrackEvent):
    """One turn of one track."""

    turn: FaceTurn
    time_s: float
    """On the source's clock."""
    box_xyxy: tuple[float, float, float, float] | None
    """In pixels of the frame; None where it is not in view."""
    name: str | None = None
    """Whom it is committed to; a name is personal data."""
    llr: float | None = None
    """Log-likelihood ratio of the match that committed it."""
    false_accept_rate: float | None = None
    """Per comparison, of the operating point; a search among many people compares as often."""
    observations: int = 0
    quality: float | None = None
    goes_on_as: int | None = None
    """The track that an ended one turned out to be."""
    liveness: LivenessResult | None = None
    """Of a turn of that kind, with what it does not cover."""
