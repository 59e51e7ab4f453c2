"""Runs the float graph and the deployed one side by side over a sequence set; keeps the checked steps only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from crystaledge.identity.spec import IdentityDecision
from crystaledge.manifest.model import GraphSpec
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge.systems.mnemosyne_contract import HIDDEN_NEXT, LOG_VARIANCE
from crystaledge_calibration.decisions import (
    Agreement,
    AgreementCounter,
    Enrolled,
    HostDecisions,
    StepDecisions,
    enrolled,
)
from crystaledge_calibration.observe import closed_loop
from crystaledge_calibration.parity import ParityTrace, StateClipping
from crystaledge_calibration.rollout import StepFunction, initial_states
from crystaledge_calibration.sequence_set import Batch, Half, SequenceSet

Array = NDArray[np.float32]
T = TypeVar("T")
ENROLMENT_STEPS = 8
BATCH = 32
"""Sequences of one batch; as many batches as there are workers go side by side."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of two graphs."""

    model: ModelProto
    make_step: Callable[[], StepFunction]
    """A fresh step function, for one batch and one thread."""


@dataclass(frozen=True, slots=True)
class Lockstep:
    """What two rollouts side by side have shown."""

    trace: ParityTrace
    clipping: StateClipping
    agreement: Agreement
    false_accept_rate: float


@dataclass(frozen=True, slots=True)
class _Moment:
    """Both graphs at one checked step of a batch."""

    step: int
    outputs: tuple[Mapping[str, Array], Mapping[str, Array]]
    decisions: tuple[StepDecisions, StepDecisions]


@dataclass(frozen=True, slots=True)
class _Watched:
    """A batch after its last step."""

    moments: tuple[_Moment, ...]
    commits: tuple[NDArray[np.int64], NDArray[np.int64]]
    clipping: StateClipping


@dataclass(frozen=True, slots=True)
class LockstepRun:
    """Two graphs, what they are run over, and how they decide."""

    graph: GraphSpec
    sides: tuple[Side, Side]
    """Float, deployed."""
    preprocessing: Preprocessing
    decision: IdentityDecision
    checked: Sequence[int]
    """Steps to compare at, rising; the last is the horizon."""
    clip_limits: Mapping[str, float]
    workers: int
    progress: Callable[[int], object]
    """Told how many sequence-steps were taken since the last call."""

    def over(self, sequences: SequenceSet) -> Lockstep:
        """Enrol everybody from one half of the frames, then follow everybody on the other half."""
        galleries = self._enrol(sequences)
        trace, clipping = ParityTrace(self.graph, self.checked), StateClipping(self.clip_limits)
        counter = AgreementCounter(self.checked[-1])
        probes = replace(sequences, half=Half.PROBE, steps=self.checked[-1])
        for watched in self._side_by_side(lambda batch: self._follow(batch, galleries), probes):
            for moment in watched.moments:
                trace.add(moment.step, *moment.outputs)
                counter.add_step(moment.step, *moment.decisions)
            counter.add_commits(*watched.commits)
            clipping.merge(watched.clipping)
        rate = HostDecisions(self.decision, galleries[0], 1).false_accept_rate
        return Lockstep(trace, clipping, counter.result(), rate)

    def _enrol(self, sequences: SequenceSet) -> tuple[Enrolled, Enrolled]:
        """The gallery of each side, in the order of the sequences."""
        chosen = replace(sequences, half=Half.ENROL, steps=ENROLMENT_STEPS)
        ends = list(self._side_by_side(self._last_outputs, chosen))
        left, right = (
            enrolled(
                np.concatenate([end[side][HIDDEN_NEXT] for end in ends]),
                np.concatenate([end[side][LOG_VARIANCE] for end in ends]),
                ENROLMENT_STEPS,
            )
            for side in (0, 1)
        )
        return left, right

    def _last_outputs(self, batch: Batch) -> tuple[Mapping[str, Array], Mapping[str, Array]]:
        last = [list(closed_loop(self.graph, side.make_step(), batch))[-1] for side in self.sides]
        return last[0], last[1]

    def _follow(self, batch: Batch, galleries: tuple[Enrolled, Enrolled]) -> _Watched:
        hosts = tuple(HostDecisions(self.decision, gallery, len(batch)) for gallery in galleries)
        clipping = StateClipping(self.clip_limits)
        states = initial_states(self.graph, len(batch))
        loops = [closed_loop(self.graph, side.make_step(), batch) for side in self.sides]
        wanted, moments = set(self.checked), []
        for step, outputs in enumerate(zip(*loops, strict=True), 1):
            clipping.add(states)
            decisions = tuple(h.advance(o[HIDDEN_NEXT], o[LOG_VARIANCE]) for h, o in zip(hosts, outputs, strict=True))
            if step in wanted:
                moments.append(_Moment(step, (outputs[0], outputs[1]), (decisions[0], decisions[1])))
            states = {pair.input: outputs[1][pair.output] for pair in self.graph.states}
            self.progress(len(batch))
        return _Watched(tuple(moments), (hosts[0].commit_frame, hosts[1].commit_frame), clipping)

    def _side_by_side(self, work: Callable[[Batch], T], sequences: SequenceSet) -> Iterator[T]:
        """`work` on every batch, in order; no more batches are held than there are workers."""
        batches = sequences.batches(self.preprocessing, size=BATCH)
        with ThreadPoolExecutor(self.workers) as pool:
            while group := list(islice(batches, self.workers)):
                yield from pool.map(work, group)
