"""Host side of Mnemosyne alone: frames that show one face at a known place, such as crops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.errors import ContractError, DataError, StateError
from crystaledge.identity.gallery import Gallery
from crystaledge.jsonio import dumps, loads
from crystaledge.locate import Locator, inside
from crystaledge.pipeline import Pipeline, PipelineOptions
from crystaledge.sources.frame import Frame
from crystaledge.systems.mnemosyne_crystallizer import Crystallizer, FaceLook
from crystaledge.systems.mnemosyne_records import HostRecords, IdentityEvent
from crystaledge.tracks.store import StateStore


class MnemosynePipeline(Pipeline):
    """Runs a Mnemosyne bundle; see `Pipeline`."""

    def __init__(self, bundle: Bundle, options: PipelineOptions) -> None:
        self.bundle = bundle
        self._crystallizer = Crystallizer(bundle, options)
        self.graph = self._crystallizer.graph
        self._locator, self._tracker = options.locator, options.tracker()
        self._frame = 0
        self._restored_frame: int | None = None

    @property
    def gallery(self) -> Gallery:
        """Who is enrolled."""
        return self._crystallizer.gallery

    @property
    def store(self) -> StateStore:
        """States of the live tracks."""
        return self._crystallizer.store

    def locate_with(self, locator: Locator) -> None:
        """Look for faces with another locator from now on; tracks go on."""
        self._locator = locator

    def enroll(self, name: str, frames: Iterable[Frame]) -> int:
        """Crystallize a person from frames of them alone; nothing is written.

        Raises:
            UsageError: the name is enrolled already.
            DataError: no frame shows a face, or one cannot be used.
        """
        learnt = self._crystallizer.learn(self._first_faces(frames))
        if learnt is None:
            msg = f"There is no face to enrol {name!r} from; give at least one frame that shows one."
            raise DataError(msg)
        self.gallery.enroll(name, learnt.hidden, learnt.log_variance, learnt.observations)
        return learnt.observations

    def process(self, frame: Frame) -> Sequence[IdentityEvent]:
        """Advance the tracks of a frame; see `Pipeline`."""
        self._frame = frame.index
        self._align_restored(frame.index)
        detections = inside(self._locator.locate(frame), frame.pixels)
        tracks = _checked(self._tracker.update(frame, detections), len(detections))
        self._crystallizer.end_idle(frame.index)
        for track in tracks:
            if track not in self.store:
                self._crystallizer.begin(track, sequence=frame.sequence, frame=frame.index)
        self.store.seen(tracks, frame.index)
        looks = [FaceLook(frame, track, box) for track, box in zip(tracks, detections.box_xyxy, strict=True)]
        return self._crystallizer.observe(looks)

    def snapshot(self, path: Path) -> None:
        """Write all live tracks to a file."""
        host = dumps(HostRecords(records=self._crystallizer.records))
        self._crystallizer.snapshot(path, frame=self._frame, host=host)

    def restore(self, path: Path) -> None:
        """Take up the tracks of a file.

        Raises:
            StateError: tracks are alive already, or the file cannot be used.
        """
        header = self._crystallizer.restore(path)
        try:
            host = loads(HostRecords, header.host, where=f"{path}: host", error=StateError)
        except BaseException:
            for track in self.store.tracks:
                self._crystallizer.end(track)
            raise
        self._crystallizer.remember(host.records)
        self._frame = self._restored_frame = header.frame  # of a snapshot that is taken before the first frame
        self._tracker.resume({record.track: record.sequence for record in self._crystallizer.records})

    def close(self) -> None:
        """Let go of the engine."""
        self._crystallizer.close()

    def _first_faces(self, frames: Iterable[Frame]) -> Iterator[FaceLook]:
        for frame in frames:
            for box in inside(self._locator.locate(frame), frame.pixels).box_xyxy[:1]:
                yield FaceLook(frame, 0, box)

    def _align_restored(self, frame: int) -> None:
        """A restored track was last seen just before the first frame of this run, however that one is counted."""
        if self._restored_frame is None:
            return
        for track in self.store.tracks:
            age = self._restored_frame - self.store.last_seen(track)
            self.store.seen([track], frame - 1 - age)
        self._restored_frame = None


def _checked(tracks: NDArray[np.int64], count: int) -> list[int]:
    numbers: list[int] = tracks.tolist()
    if len(numbers) != count or len(set(numbers)) != count or min(numbers, default=0) < 0:
        msg = f"The tracker gave {numbers} for {count} detections; expected as many different numbers of at least 0."
        raise ContractError(msg)
    return numbers
