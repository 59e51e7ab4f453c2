"""Windows of ten looks: what the check measures in each, and how the face's state moves meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.engine.select import EngineOptions, open_engine
from crystaledge.liveness.config import PhotoCheckConfig
from crystaledge.liveness.photo_check import judged
from crystaledge.liveness.unexplained_motion import FaceReference
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.systems.mnemosyne_contract import FACE, HIDDEN_NEXT, check_contract
from crystaledge.tracks.stepper import Stepper
from crystaledge.tracks.store import StateStore
from crystaledge_benchmarks.liveness.looks import Look
from crystaledge_benchmarks.liveness.sheet_motion import AttackKind

States = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Of one film."""

    person: str
    kind: AttackKind | None
    """None: alive."""
    motion_px: float | None
    """None where too few looks could be compared."""
    states: States
    """`(looks, D)`: the identity's state after each look, from a fresh one."""
    side_px: float
    """Of the face in the frame, median."""


class StateRecorder:
    """Lets a bundle's state absorb looks."""

    def __init__(self, bundle: Bundle) -> None:
        graph = bundle.manifest.graphs[0]
        check_contract(bundle.manifest, graph)
        engine = open_engine(bundle, graph, EngineOptions(threads=1))
        self._store = StateStore(graph.states, memory=engine.state_memory)
        self._stepper = Stepper(engine, self._store)
        self._preprocessor = Preprocessor(bundle.manifest.preprocessing)

    def states(self, looks: Sequence[Look]) -> States:
        """`(looks, D)`."""
        self._store.create(0)
        states = []
        for look in looks:
            self._preprocessor.into(self._stepper.stage(1)[FACE][0], look.face, ColorOrder.BGR)
            states.append(self._stepper.advance([0])[HIDDEN_NEXT][0].copy())
        self._store.evict(0)
        return np.array(states, np.float64)


def windows_of(
    looks: Sequence[Look], recorder: StateRecorder, config: PhotoCheckConfig, *, person: str, kind: AttackKind | None
) -> Iterator[Window]:
    """All windows of a film, each half a window after the one before."""
    for first in range(0, len(looks) - config.looks + 1, max(config.looks // 2, 1)):
        shown = looks[first : first + config.looks]
        reference = FaceReference(shown[0].face)
        motions = [reference.unexplained_px2(look.face) for look in shown[1:]]
        boxes = np.array([look.box_xyxy for look in shown])
        yield Window(
            person=person,
            kind=kind,
            motion_px=judged([each for each in motions if each is not None], config).motion_px,
            states=recorder.states(shown),
            side_px=float(np.median(np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1)))),
        )
