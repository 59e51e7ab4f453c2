"""Host side of Mnemosyne: faces of tracks crystallize into identities that are matched and committed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.deploy import graph_to_run
from crystaledge.engine.select import open_engine
from crystaledge.engine.trt.built import built_sha256
from crystaledge.errors import ContractError, DataError, DeviceError, EngineError, StateError
from crystaledge.files import sha256_of
from crystaledge.identity.decision import Decider, MatchDecision, Verdict
from crystaledge.identity.gallery import Gallery
from crystaledge.identity.stopping import Progress, stopping_rule
from crystaledge.jsonio import dumps, loads
from crystaledge.locate import Locator, crop, inside
from crystaledge.manifest.model import identity_decision
from crystaledge.pipeline import Pipeline, PipelineOptions
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.sources.frame import Frame
from crystaledge.systems.mnemosyne_contract import (
    FACE,
    HIDDEN_NEXT,
    LOG_VARIANCE,
    QUALITY,
    VELOCITY,
    check_contract,
)
from crystaledge.systems.mnemosyne_records import HostRecords, IdentityEvent, TrackRecord, event_of
from crystaledge.tracks.snapshot import load_snapshot, save_snapshot
from crystaledge.tracks.stepper import Stepper
from crystaledge.tracks.store import StateStore

Result = TypeVar("Result")
_ENROLMENT_TRACK = -1


class MnemosynePipeline(Pipeline):
    """Runs a Mnemosyne bundle; see `Pipeline`."""

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
        decision = identity_decision(bundle.manifest.decision, where=str(bundle.path))
        self.gallery = Gallery(decision.score, decision.dimensions)
        self._engine = open_engine(bundle, self.graph, options.engine)
        self.store = StateStore(self.graph.states, memory=self._engine.state_memory)
        self._stepper = Stepper(self._engine, self.store)
        self._preprocessor = Preprocessor(bundle.manifest.preprocessing)
        self._decider = Decider(decision, false_accept_rate=options.false_accept_rate)
        self._rule = stopping_rule(options.stopping, decision.stopping)
        self._still_below = decision.stopping.velocity_threshold
        self._say = options.say
        self._locator, self._tracker = options.locator, options.tracker()
        self._records: dict[int, TrackRecord] = {}
        self._frame = 0
        self._restored_frame: int | None = None

    def locate_with(self, locator: Locator) -> None:
        """Look for faces with another locator from now on."""
        self._locator = locator

    def enroll(self, name: str, frames: Iterable[Frame]) -> int:
        """Crystallize a person from frames of them alone; nothing is written.

        Raises:
            UsageError: the name is enrolled already.
            DataError: no frame shows a face, or one cannot be used.
        """
        count, outputs = 0, None
        self._survive(partial(self.store.create, _ENROLMENT_TRACK), place=f"enrolment of {name!r}")
        try:
            for frame in frames:
                boxes = inside(self._locator.locate(frame), frame.pixels).box_xyxy[:1]
                if len(boxes):
                    outputs = self._advance(frame, [_ENROLMENT_TRACK], boxes)
                    count += 1
            if outputs is None:
                msg = f"There is no face to enrol {name!r} from; give at least one frame that shows one."
                raise DataError(msg)
            self.gallery.enroll(name, outputs[HIDDEN_NEXT][0], float(outputs[LOG_VARIANCE][0, 0]), count)
        finally:
            self.store.evict(_ENROLMENT_TRACK)
        return count

    def process(self, frame: Frame) -> Sequence[IdentityEvent]:
        """Advance the tracks of a frame; see `Pipeline`."""
        self._frame = frame.index
        self._align_restored(frame.index)
        detections = inside(self._locator.locate(frame), frame.pixels)
        tracks = _checked(self._tracker.update(frame, detections), len(detections))
        for gone in self.store.evict_idle(frame.index):
            self._records.pop(gone, None)
        for track in tracks:
            if track not in self.store:
                self._survive(partial(self.store.create, track, frame=frame.index), place=f"frame {frame.index}")
                self._records[track] = TrackRecord(track=track, sequence=frame.sequence)
        self.store.seen(tracks, frame.index)
        events: list[IdentityEvent] = []
        for chunk in self._stepper.chunks(len(tracks)):
            members = tracks[chunk.start : chunk.stop]
            outputs = self._advance(frame, members, detections.box_xyxy[chunk.start : chunk.stop])
            events.extend(self._report(frame, members, outputs))
        return events

    def snapshot(self, path: Path) -> None:
        """Write all live tracks to a file."""
        host = dumps(HostRecords(records=tuple(self._records.values())))
        save_snapshot(path, self.store, graph_sha256=self._graph_sha256(), frame=self._frame, host=host)

    def restore(self, path: Path) -> None:
        """Take up the tracks of a file.

        Raises:
            StateError: tracks are alive already, or the file cannot be used.
        """
        if len(self.store):
            msg = "Tracks are alive already; restore a state file before the first frame."
            raise StateError(msg)
        try:
            header = load_snapshot(path, self.store, self.graph.states, graph_sha256=self._graph_sha256())
            host = loads(HostRecords, header.host, where=f"{path}: host", error=StateError)
        except BaseException:
            for track in self.store.tracks:
                self.store.evict(track)
            raise
        known = {record.track: record for record in host.records}
        self._records = {t: known.get(t, TrackRecord(track=t, sequence="")) for t in self.store.tracks}
        self._frame = self._restored_frame = header.frame  # of a snapshot that is taken before the first frame
        self._tracker.resume({track: record.sequence for track, record in self._records.items()})

    def close(self) -> None:
        """Let go of the engine."""
        self._engine.close()

    def _align_restored(self, frame: int) -> None:
        """A restored track was last seen just before the first frame of this run, however that one is counted."""
        if self._restored_frame is None:
            return
        for track in self.store.tracks:
            age = self._restored_frame - self.store.last_seen(track)
            self.store.seen([track], frame - 1 - age)
        self._restored_frame = None

    def _advance(
        self, frame: Frame, tracks: Sequence[int], boxes: NDArray[np.float32]
    ) -> Mapping[str, NDArray[np.float32]]:
        return self._survive(partial(self._advance_once, frame, tracks, boxes), place=f"frame {frame.index}")

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

    def _advance_once(
        self, frame: Frame, tracks: Sequence[int], boxes: NDArray[np.float32]
    ) -> Mapping[str, NDArray[np.float32]]:
        faces = self._stepper.stage(len(tracks))[FACE]
        for row, box in enumerate(boxes):
            self._preprocessor.into(faces[row], crop(frame.pixels, box), frame.color)
        return self._stepper.advance(tracks)

    def _report(
        self, frame: Frame, tracks: Sequence[int], outputs: Mapping[str, NDArray[np.float32]]
    ) -> list[IdentityEvent]:
        hidden = outputs[HIDDEN_NEXT]
        if not np.isfinite(hidden).all():
            msg = f"The graph gave a state that is not finite in frame {frame.index}; weights or states are damaged."
            raise EngineError(msg)
        norms = np.linalg.norm(hidden, axis=1).tolist()
        velocities, qualities = outputs[VELOCITY][:, 0].tolist(), outputs[QUALITY][:, 0].tolist()
        scores = self.gallery.scores(hidden, outputs[LOG_VARIANCE][:, 0]) if len(self.gallery) else None
        events = []
        for row, track in enumerate(tracks):
            best = None if scores is None else int(np.argmax(scores[row]))
            name, match = (None, None) if scores is None or best is None else self._judge(track, scores[row], best)
            record = self._follow(frame, track, velocities[row], name, match)
            events.append(event_of(frame, record, qualities[row], velocities[row], norms[row], name, match))
        return events

    def _judge(self, track: int, scores: NDArray[np.float64], best: int) -> tuple[str, MatchDecision]:
        person = self.gallery.people[best]
        observations = min(self._records[track].observations + 1, person.observations)
        return person.name, self._decider.decide(float(scores[best]), observations)

    def _follow(
        self, frame: Frame, track: int, velocity: float, name: str | None, match: MatchDecision | None
    ) -> TrackRecord:
        old = self._records[track]
        still = old.still_frames + 1 if velocity < self._still_below else 0
        record = replace(old, observations=old.observations + 1, still_frames=still)
        if record.committed is None:
            verdict = self._rule.verdict(Progress(observations=record.observations, still_frames=still, match=match))
            if verdict is not None:
                matched = name if verdict is Verdict.SAME else None
                record = replace(record, committed=verdict, committed_match=matched, committed_frame=frame.index)
        self._records[track] = record
        return record

    def _graph_sha256(self) -> str:
        return sha256_of(self.bundle.graph_bytes(self.graph))


def _checked(tracks: NDArray[np.int64], count: int) -> list[int]:
    numbers: list[int] = tracks.tolist()
    if len(numbers) != count or len(set(numbers)) != count or min(numbers, default=0) < 0:
        msg = f"The tracker gave {numbers} for {count} detections; expected as many different numbers of at least 0."
        raise ContractError(msg)
    return numbers
