"""One clip shown to a pipeline: which tracks there were, and whom each was committed to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from crystaledge.identity.decision import Decider
from crystaledge.sources.frame import Frame
from crystaledge.systems.mnemosyne_contract import HIDDEN
from crystaledge.video.events import FaceEvent, FaceTurn
from crystaledge.video.pipeline import VideoPipeline

NOBODY, UNDECIDED = "nobody", "undecided"
_COMMITMENTS = (FaceTurn.IDENTIFIED, FaceTurn.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """Whom a track is nearest to."""

    name: str
    llr: float
    observations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackOutcome:
    """One track at the end of a clip."""

    track: int
    frames: int
    """In view."""
    answer: str = UNDECIDED
    """A name, `nobody`, or `undecided`; the last commitment that was not doubted since."""
    observations: int = 0
    """At which it was committed first."""
    llr: float | None = None
    """At the first commitment."""
    ever: tuple[str, ...] = ()
    """Names that it was committed to at any time."""
    doubts: int = 0
    best: Best | None = None
    """The best match at the end, committed or not; None where nobody is enrolled or it is not kept any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One clip."""

    person: str
    tracks: tuple[TrackOutcome, ...]
    """Those that were told of."""

    @property
    def main(self) -> TrackOutcome:
        """The one that is longest in view; an empty one where there is none."""
        return max(self.tracks, key=lambda track: track.frames, default=TrackOutcome(track=-1, frames=0))

    @property
    def others(self) -> tuple[TrackOutcome, ...]:
        """All but the main one."""
        return tuple(track for track in self.tracks if track is not self.main)


def probe(pipeline: VideoPipeline, person: str, frames: Sequence[Frame]) -> Probe:
    """Show a clip as a camera of its own, which is forgotten afterwards."""
    sequence, events, seen = f"probe of {person}", list[FaceEvent](), Counter[int]()
    for frame in frames:
        (result,) = pipeline.process([replace(frame, sequence=sequence)])
        events += result.events
        seen.update(track.track for track in result.view.tracks if not track.coasting)
    tracks = tuple(replace(one, best=_best(pipeline, one.track)) for one in outcomes(events, seen))
    pipeline.forget_camera(sequence)
    return Probe(person=person, tracks=tracks)


def outcomes(events: Sequence[FaceEvent], frames_in_view: Counter[int]) -> tuple[TrackOutcome, ...]:
    """What became of each track that appeared."""
    tracks = {event.track: TrackOutcome(track=event.track, frames=0) for event in events if _begins(event)}
    for event in events:
        if event.track in tracks:
            tracks[event.track] = _after(tracks[event.track], event)
    return tuple(replace(track, frames=frames_in_view[number]) for number, track in tracks.items())


def _best(pipeline: VideoPipeline, track: int) -> Best | None:
    crystallizer = pipeline.crystallizer
    if crystallizer is None or track not in crystallizer.store or not len(crystallizer.gallery):
        return None
    record, gallery = crystallizer.record(track), crystallizer.gallery
    hidden = crystallizer.store.state(track)[HIDDEN][None]
    scores = gallery.scores(hidden, np.array([record.log_variance], np.float32))[0]
    person = gallery.people[int(np.argmax(scores))]
    observations = min(record.observations, person.observations)
    llr = Decider(crystallizer.decision).llr(float(scores.max()), observations)
    return Best(name=person.name, llr=llr, observations=record.observations)


def _begins(event: FaceEvent) -> bool:
    return event.turn in (FaceTurn.APPEARED, *_COMMITMENTS)


def _after(track: TrackOutcome, event: FaceEvent) -> TrackOutcome:
    if event.turn is FaceTurn.DOUBTED:
        return replace(track, answer=UNDECIDED, doubts=track.doubts + 1)
    if event.turn not in _COMMITMENTS:
        return track
    name = event.name if event.turn is FaceTurn.IDENTIFIED and event.name is not None else None
    if not track.observations:
        track = replace(track, observations=event.observations, llr=event.llr)
    if name is None:
        return replace(track, answer=NOBODY)
    return replace(track, answer=name, ever=tuple(dict.fromkeys((*track.ever, name))))
