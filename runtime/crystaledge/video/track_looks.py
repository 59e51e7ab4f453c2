"""The track cell on the host: one look at every track of every camera, in one batched call, each with its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.detection.camera_view import FEATURES, CameraView
from crystaledge.detection.track_inputs import corrected, level_of, patch_into, roi_of
from crystaledge.engine.base import Engine
from crystaledge.errors import EngineError
from crystaledge.systems.phantom_contract import BIRTH, BOX_DELTA, PATCH, ROI, SCORE
from crystaledge.tracks.stepper import Stepper
from crystaledge.tracks.store import StateStore

Array = NDArray[np.float32]

_FIRST_LOOK = -1
"""Tracks below 0 are detections that no track owns yet."""


@dataclass(frozen=True, slots=True)
class TrackLook:
    """Where one track is looked at."""

    view: CameraView
    track: int | None
    """None for a detection that no track owns."""
    box_xyxy: Array
    """`(4,)` in pixels of the network's input."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What the looks gave, row by row."""

    box_xyxy: Array
    """Corrected boxes `(N, 4)` in pixels of the network's input."""
    score: Array
    """`(N,)`: that a face is there, by everything seen of the track."""
    birth: Array
    """`(N,)`: the same by this look's patch alone."""

    def part(self, rows: slice) -> Looked:
        """Some of the rows."""
        return Looked(self.box_xyxy[rows], self.score[rows], self.birth[rows])


NOTHING = Looked(*(np.empty(shape, np.float32) for shape in ((0, 4), (0,), (0,))))


class TrackLooks:
    """States of the track cell for all tracks of all cameras."""

    def __init__(self, engine: Engine) -> None:
        self.store = StateStore(engine.graph.states, memory=engine.state_memory)
        self._engine = engine
        self._stepper = Stepper(engine, self.store)

    def look(self, looks: Sequence[TrackLook]) -> Looked:
        """One step for each look; a track that was never looked at begins with a fresh state.

        Raises:
            EngineError: the graph gave a value that is not finite.
        """
        if not looks:
            return NOTHING
        numbers = [self._number(look, row) for row, look in enumerate(looks)]
        chunks = [slice(chunk.start, chunk.stop) for chunk in self._stepper.chunks(len(looks))]
        try:
            parts = [self._step(looks[chunk], numbers[chunk]) for chunk in chunks]
        finally:  # also where a device fails: the next detection must not find anybody's state
            for number in numbers:
                if number <= _FIRST_LOOK:
                    self.store.evict(number)
        boxes, deltas, scores, births = (np.concatenate(values) for values in zip(*parts, strict=True))
        if not all(np.isfinite(values).all() for values in (deltas, scores, births)):
            msg = "The track cell gave values that are not finite; its weights are damaged. Export the bundle again."
            raise EngineError(msg)
        return Looked(corrected(boxes, deltas), scores, births)

    def end(self, track: int) -> None:
        """A track is over."""
        if track in self.store:
            self.store.evict(track)

    def close(self) -> None:
        """Let go of the engine."""
        self._engine.close()

    def _number(self, look: TrackLook, row: int) -> int:
        number = _FIRST_LOOK - row if look.track is None else look.track
        if number not in self.store:
            self.store.create(number)
        return number

    def _step(self, looks: Sequence[TrackLook], numbers: Sequence[int]) -> tuple[Array, Array, Array, Array]:
        staged = self._stepper.stage(len(looks))
        for row, look in enumerate(looks):
            octaves = look.view.octaves
            level = level_of(look.box_xyxy, len(octaves))
            staged[ROI][row] = roi_of(octaves[level].maps[FEATURES], look.box_xyxy, level)
            patch_into(staged[PATCH][row], look.view.held.tensors[0], look.view.held.motion, look.box_xyxy)
        outputs = self._stepper.advance(numbers)
        boxes = np.stack([look.box_xyxy for look in looks])
        return boxes, outputs[BOX_DELTA].copy(), outputs[SCORE][:, 0].copy(), outputs[BIRTH][:, 0].copy()
