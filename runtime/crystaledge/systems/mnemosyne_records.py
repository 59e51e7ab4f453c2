"""What Mnemosyne says of a track in a frame, and what the host remembers of it."""

from __future__ import annotations

from dataclasses import dataclass

from crystaledge.identity.decision import MatchDecision, Verdict
from crystaledge.pipeline import TrackEvent
from crystaledge.sources.frame import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityEvent(TrackEvent):
    """One face track in one frame."""

    observations: int
    quality: float
    velocity: float
    state_norm: float
    crystallized: bool
    """A stopping rule has committed the identity."""
    committed_frame: int | None
    committed_match: str | None
    """Whom the track was committed to; None before that, or when it was committed to nobody."""
    match: str | None
    """Best match among the enrolled, whether accepted or not; None where nobody is enrolled."""
    score: float | None
    llr: float | None
    verdict: Verdict | None
    """Of this frame alone, at the operating point below."""
    threshold: float | None
    false_accept_rate: float | None
    """Per comparison; a search among many people compares as often."""
    calibrated_observations: int | None
    """Observations a side that the threshold was chosen with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRecord:
    """What the host remembers of a track beside its state."""

    track: int
    sequence: str
    observations: int = 0
    still_frames: int = 0
    log_variance: float = 0.0
    """Of the identity after the last observation."""
    committed: Verdict | None = None
    committed_match: str | None = None
    committed_frame: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRecords:
    """The host's part of a state file."""

    records: tuple[TrackRecord, ...]


def event_of(
    frame: Frame,
    record: TrackRecord,
    quality: float,
    velocity: float,
    norm: float,
    name: str | None,
    match: MatchDecision | None,
) -> IdentityEvent:
    """What is said of a track in a frame.

    Args:
        name: the best match among the enrolled, judged by `match` in this frame; None where nobody is enrolled.
        quality: 0 to 1; `velocity` and `norm` of the state, 0 or more.
    """
    return IdentityEvent(
        frame=frame.index,
        sequence=frame.sequence,
        track=record.track,
        observations=record.observations,
        quality=quality,
        velocity=velocity,
        state_norm=norm,
        crystallized=record.committed is not None,
        committed_frame=record.committed_frame,
        committed_match=record.committed_match,
        match=name,
        score=None if match is None else match.score,
        llr=None if match is None else match.llr,
        verdict=None if match is None else match.verdict,
        threshold=None if match is None else match.point.threshold,
        false_accept_rate=None if match is None else match.point.false_accept_rate,
        calibrated_observations=None if match is None else match.point.observations,
    )
