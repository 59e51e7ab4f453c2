"""Faces of tracks crystallize into identities that are matched and committed: Mnemosyne's graph with its states."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.deploy import graph_to_run
from crystaledge.engine.select import open_engine
from crystaledge.engine.trt.built import built_sha256
from crystaledge.errors import DeviceError, EngineError, StateError
from crystaledge.files import sha256_of
from crystaledge.identity.decision import Decider, MatchDecision, Verdict
from crystaledge.identity.gallery import Gallery
from crystaledge.identity.matching import match_scores, unit_rows
from crystaledge.identity.stopping import Progress, is_chance, stopping_rule
from crystaledge.locate import crop
from crystaledge.manifest.model import identity_decision
from crystaledge.pipeline import PipelineOptions
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.sources.frame import Frame
from crystaledge.systems.mnemosyne_contract import (
    FACE,
    HIDDEN,
    HIDDEN_NEXT,
    LOG_VARIANCE,
    QUALITY,
    VELOCITY,
    check_contract,
)
from crystaledge.systems.mnemosyne_records import IdentityEvent, TrackRecord, event_of
from crystaledge.tracks.snapshot import SnapshotHeader, load_snapshot, save_snapshot
from crystaledge.tracks.stepper import Stepper
from crystaledge.tracks.store import StateStore

Result = TypeVar("Result")
_ENROLMENT_TRACK = -1


@dataclass(frozen=True, slots=True)
class FaceLook:
    """One observation of one track: the part of a frame that shows its face."""

    frame: Frame
    track: int
    crop_xyxy: NDArray[np.float32]
    """`(4,)` in pixels of the frame; it shows at least one of them."""


@dataclass(frozen=True, slots=True)
class EnrolledState:
    """What enrolment learnt of a person; personal data."""

    hidden: NDArray[np.float32]
    """`(D,)`."""
    log_variance: float
    observations: int


class Crystallizer:
    """Keeps the states of face tracks, advances them in batches, and decides who they are."""

    def __init__(self, bundle: Bundle, options: PipelineOptions) -> None:
        self.bundle = bundle
        self.graph = graph_to_run(
            bundle,
            options.graph,
            engine=options.engine.label,
            built=lambda graph: built_sha256(bundle, graph, options.engine),
            unverified=options.unverified,
        )
        check_contract(bundle.manifest, self.graph)
        self.decision = identity_decision(bundle.manifest.decision, where=str(bundle.path))
        self.gallery = Gallery(self.decision.score, self.decision.dimensions)
        self._engine = open_engine(bundle, self.graph, options.engine)
        self.store = StateStore(self.graph.states, memory=self._engine.state_memory)
        self._stepper = Stepper(self._engine, self.store)
        self._preprocessor = Preprocessor(bundle.manifest.preprocessing)
        self._decider = Decider(self.decision, false_accept_rate=options.false_accept_rate)
        self._rule = stopping_rule(options.stopping, self.decision.stopping)
        self._say = options.say
        self._records: dict[int, TrackRecord] = {}

    def begin(self, track: int, *, sequence: str, frame: int) -> None:
        """A track that was never seen: its state is fresh."""
        self._survive(partial(self.store.create, track, frame=frame), place=f"frame {frame}")
        self._records[track] = TrackRecord(track=track, sequence=sequence)

    def restart(self, track: int) -> None:
        """Forget who a live track was taken for, and look at it anew."""
        self.store.reset(track)
        self._records[track] = TrackRecord(track=track, sequence=self._records[track].sequence)

    def end(self, track: int) -> None:
        """A track is over; its state is overwritten at once. Unknown tracks are over already."""
        if track in self.store:
            self.store.evict(track)
        self._records.pop(track, None)

    def rename(self, track: int, into: int) -> None:
        """A live track goes on under another number, that of no live track."""
        record, state = self._records[track], self.store.state(track)
        self.begin(into, sequence=record.sequence, frame=self.store.last_seen(track))
        self.store.load(into, state)
        self._records[into] = replace(record, track=into)
        self.end(track)

    def end_idle(self, frame: int) -> None:
        """End every track that was not observed for more frames than its state may live."""
        for gone in self.store.evict_idle(frame):
            self._records.pop(gone, None)

    def record(self, track: int) -> TrackRecord:
        """What is remembered of a live track beside its state."""
        return self._records[track]

    def observe(self, looks: Sequence[FaceLook]) -> list[IdentityEvent]:
        """Let each of these tracks, all different and begun, absorb one observation; all go in batched calls."""
        events: list[IdentityEvent] = []
        for chunk in self._stepper.chunks(len(looks)):
            members = looks[chunk.start : chunk.stop]
            outputs = self._survive(partial(self._advance, members), place=f"frame {members[0].frame.index}")
            events.extend(self._report(members, outputs))
        return events

    def similarity(self, tracks: Sequence[int], others: Sequence[int]) -> NDArray[np.float64]:
        """Log-likelihood ratios `(len(tracks), len(others))` that two tracks are one person; NaN where not known."""
        ratios = np.full((len(tracks), len(others)), np.nan)
        rows = [row for row, track in enumerate(tracks) if self._is_known(track)]
        columns = [column for column, track in enumerate(others) if self._is_known(track)]
        if rows and columns:
            mine, theirs = [tracks[r] for r in rows], [others[c] for c in columns]
            scores = match_scores(self.decision.score, *self._identities(mine), *self._identities(theirs))
            for (i, r), (j, c) in product(enumerate(rows), enumerate(columns)):
                least = min(self._records[mine[i]].observations, self._records[theirs[j]].observations)
                ratios[r, c] = self._decider.llr(float(scores[i, j]), least)
        return ratios

    def is_chance(self, event: IdentityEvent) -> bool:
        """Whether a match may well be chance among so many; see `crystaledge.identity.stopping.is_chance`."""
        if event.llr is None or event.false_accept_rate is None:
            return True
        allowed = self.decision.stopping.false_accept_rate
        return is_chance(event.llr, event.false_accept_rate, len(self.gallery), allowed=allowed)

    def learn(self, looks: Iterable[FaceLook]) -> EnrolledState | None:
        """Crystallize a person from looks at them alone, whatever their track; None where there is no look."""
        outputs, count = None, 0
        self._survive(partial(self.store.create, _ENROLMENT_TRACK), place="enrolment")
        try:
            for look in looks:
                alone = [replace(look, track=_ENROLMENT_TRACK)]
                outputs = self._survive(partial(self._advance, alone), place=f"frame {look.frame.index}")
                count += 1
            if outputs is None:
                return None
            return EnrolledState(outputs[HIDDEN_NEXT][0].copy(), float(outputs[LOG_VARIANCE][0, 0]), count)
        finally:
            self.store.evict(_ENROLMENT_TRACK)

    def snapshot(self, path: Path, *, frame: int, host: str) -> None:
        """Write all live tracks to a file; `host` is the pipeline's own text."""
        save_snapshot(path, self.store, graph_sha256=self._graph_sha256(), frame=frame, host=host)

    def restore(self, path: Path) -> SnapshotHeader:
        """Take up the tracks of a file; their records are to follow by `remember`.

        Raises:
            StateError: tracks are alive already, or the file cannot be used.
        """
        if len(self.store):
            msg = "Tracks are alive already; restore a state file before the first frame."
            raise StateError(msg)
        header = load_snapshot(path, self.store, self.graph.states, graph_sha256=self._graph_sha256())
        self._records = {track: TrackRecord(track=track, sequence="") for track in self.store.tracks}
        return header

    def remember(self, records: Iterable[TrackRecord]) -> None:
        """What a snapshot's host text remembered of the tracks that were restored."""
        for record in records:
            if record.track in self.store:
                self._records[record.track] = record

    @property
    def records(self) -> tuple[TrackRecord, ...]:
        """Of all live tracks."""
        return tuple(self._records.values())

    def close(self) -> None:
        """Let go of the engine."""
        self._engine.close()

    def _is_known(self, track: int) -> bool:
        return track in self.store and self._records[track].observations > 0

    def _identities(self, tracks: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        hidden = np.stack([self.store.state(track)[HIDDEN] for track in tracks])
        return unit_rows(hidden), np.array([self._records[track].log_variance for track in tracks])

    def _survive(self, action: Callable[[], Result], *, place: str) -> Result:
        """Do something; where the device fails, restart the engine and do the same once more."""
        try:
            return action()
        except DeviceError as error:
            reason = str(error)
        # Not while the error is handled: its traceback holds the broken step, whose memory a fresh context may reuse.
        self._say(f"{place}: {reason} The engine is restarted; tracks go on from their last good state.")
        self._stepper.forget()
        self._engine.restart()
        return action()

    def _advance(self, looks: Sequence[FaceLook]) -> Mapping[str, NDArray[np.float32]]:
        faces = self._stepper.stage(len(looks))[FACE]
        for row, look in enumerate(looks):
            self._preprocessor.into(faces[row], crop(look.frame.pixels, look.crop_xyxy), look.frame.color)
        return self._stepper.advance([look.track for look in looks])

    def _report(self, looks: Sequence[FaceLook], outputs: Mapping[str, NDArray[np.float32]]) -> list[IdentityEvent]:
        hidden, log_variance = outputs[HIDDEN_NEXT], outputs[LOG_VARIANCE][:, 0]
        if not np.isfinite(hidden).all():
            place = looks[0].frame.index
            msg = f"The graph gave a state that is not finite in frame {place}; weights or states are damaged."
            raise EngineError(msg)
        norms, uncertainties = np.linalg.norm(hidden, axis=1).tolist(), log_variance.tolist()
        velocities, qualities = outputs[VELOCITY][:, 0].tolist(), outputs[QUALITY][:, 0].tolist()
        scores = self.gallery.scores(hidden, log_variance) if len(self.gallery) else None
        events = []
        for row, look in enumerate(looks):
            best = None if scores is None else int(np.argmax(scores[row]))
            judged = None if scores is None or best is None else self._judge(look.track, scores[row], best)
            name, match = judged or (None, None)
            record = self._follow(look, velocities[row], uncertainties[row], name, match)
            events.append(event_of(look.frame, record, qualities[row], velocities[row], norms[row], name, match))
        return events

    def _judge(self, track: int, scores: NDArray[np.float64], best: int) -> tuple[str, MatchDecision]:
        person = self.gallery.people[best]
        observations = min(self._records[track].observations + 1, person.observations)
        return person.name, self._decider.decide(float(scores[best]), observations)

    def _follow(
        self, look: FaceLook, velocity: float, log_variance: float, name: str | None, match: MatchDecision | None
    ) -> TrackRecord:
        old, frame = self._records[look.track], look.frame.index
        still = old.still_frames + 1 if velocity < self.decision.stopping.velocity_threshold else 0
        record = replace(old, observations=old.observations + 1, still_frames=still, log_variance=log_variance)
        if record.committed is None:
            progress = Progress(
                observations=record.observations, still_frames=still, match=match, compared=len(self.gallery)
            )
            verdict = self._rule.verdict(progress)
            if verdict is not None:
                matched = name if verdict is Verdict.SAME else None
                record = replace(record, committed=verdict, committed_match=matched, committed_frame=frame)
        self._records[look.track] = record
        return record

    def _graph_sha256(self) -> str:
        return sha256_of(self.bundle.graph_bytes(self.graph))
