"""Runs a bundle over the drawn scene and keeps what the report shows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.pipeline import PipelineOptions
from crystaledge.scene.scene import SceneConfig, SyntheticSource
from crystaledge.sources.frame import Frame
from crystaledge.systems.mnemosyne import MnemosynePipeline
from crystaledge.systems.mnemosyne_contract import HIDDEN
from crystaledge.systems.mnemosyne_records import IdentityEvent

ENROLMENT_FRAMES = 12
SHOWN_EVERY = 4
_ENROLMENT_TAKE = 1


@dataclass(frozen=True, slots=True)
class PersonFilm:
    """One person's sequence as the runtime saw it."""

    name: str
    events: tuple[IdentityEvent, ...]
    states: NDArray[np.float32]
    """`(T, H)`: the state after each frame."""
    shown: tuple[NDArray[np.uint8], ...]
    """Every `SHOWN_EVERY`-th frame, RGB."""

    @property
    def committed_correctly(self) -> bool | None:
        """Whether the committed match is the person; None where nothing was committed."""
        last = self.events[-1]
        return last.committed_match == self.name if last.crystallized else None


def run_scene(bundle: Bundle, scene: SceneConfig) -> tuple[PersonFilm, ...]:
    """Enrol the scene's people from one take, then run another take of each, degraded as the scene says."""
    pipeline = MnemosynePipeline(bundle, PipelineOptions())
    calm = replace(scene, frames_per_person=ENROLMENT_FRAMES, degraded=0.0)
    for name, frames in _sequences(SyntheticSource(calm, take_number=_ENROLMENT_TAKE)).items():
        pipeline.enroll(name, frames)
    films = tuple(_follow(pipeline, name, frames) for name, frames in _sequences(SyntheticSource(scene)).items())
    pipeline.close()
    return films


def _sequences(source: SyntheticSource) -> dict[str, list[Frame]]:
    found: dict[str, list[Frame]] = {}
    for frame in source:
        found.setdefault(frame.sequence, []).append(frame)
    return found


def _follow(pipeline: MnemosynePipeline, name: str, frames: list[Frame]) -> PersonFilm:
    events: list[IdentityEvent] = []
    states = []
    for frame in frames:
        (event,) = pipeline.process(frame)
        events.append(event)
        states.append(pipeline.store.state(event.track)[HIDDEN])
    return PersonFilm(name, tuple(events), np.stack(states), tuple(f.pixels for f in frames[::SHOWN_EVERY]))
