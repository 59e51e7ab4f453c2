"""The closed-loop gate: float against deployed, over time and in decisions, and what is written down about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.engine.select import Backend
from crystaledge.errors import DataError, UsageError
from crystaledge.files import sha256_of
from crystaledge.jsonio import loads
from crystaledge.manifest.model import FileRole, GraphSpec, identity_decision
from crystaledge_calibration.gate import findings, growth_of, sentence
from crystaledge_calibration.layers import Culprit, layer_errors, state_limits
from crystaledge_calibration.lockstep import Lockstep, LockstepRun, Side
from crystaledge_calibration.observe import watched_step
from crystaledge_calibration.parity import checked_steps
from crystaledge_calibration.records import (
    RECORD_VERSION,
    CalibrationRecord,
    DecisionParity,
    Fault,
    Finding,
    Limits,
    NodeError,
    VerificationRecord,
)
from crystaledge_calibration.rollout import initial_states, observed_inputs
from crystaledge_calibration.sequence_set import Half, SequenceSet
from crystaledge_calibration.verification_parity import compare_verification

Array = NDArray[np.float32]
_LAYERS_AT = 16
"""Step at which layers are compared where nothing failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """How long and how strictly."""

    horizon: int = 1000
    limits: Limits = Limits()
    workers: int = 1


def side_of(data: bytes) -> Side:
    """A graph stepped by ONNX Runtime on one thread."""
    model = onnx.load_from_string(data)
    return Side(model, lambda: watched_step(model, ()))


def verify_graph(
    bundle: Bundle,
    graph: GraphSpec,
    sequences: SequenceSet,
    options: VerifyOptions,
    *,
    deployed: Side | None = None,
    progress: Callable[[int], object] = lambda done: None,
) -> VerificationRecord:
    """Verify a quantized graph of a bundle against the float graph that it was made from.

    Args:
        sequences: none of which calibrated the graph; see `refuse_overlap`.
        deployed: how the graph is stepped; None for ONNX Runtime.
        progress: told how many sequence-steps were taken since the last call.
    """
    reference = bundle.graph(graph.derived_from)
    sides = side_of(bundle.graph_bytes(reference)), deployed or side_of(bundle.graph_bytes(graph))
    steps = checked_steps(options.horizon)
    run = LockstepRun(
        graph=graph,
        sides=sides,
        preprocessing=bundle.manifest.preprocessing,
        decision=identity_decision(bundle.manifest.decision, where=str(bundle.path)),
        checked=steps,
        clip_limits=state_limits(graph, sides[1].model),
        workers=options.workers,
        progress=progress,
    )
    shown = run.over(sequences)
    state, decisions = shown.trace.state(), _decisions(shown, len(sequences.clips))
    growth = growth_of(state, steps)
    found = findings(steps, state, growth, decisions, options.limits)
    layers, culprit = _layers(run, sequences, found, options.horizon)
    fault = _fault(graph, found, culprit)
    return VerificationRecord(
        schema_version=RECORD_VERSION,
        graph=graph.name,
        graph_sha256=sha256_of(bundle.graph_bytes(graph)),
        reference=reference.name,
        reference_sha256=sha256_of(bundle.graph_bytes(reference)),
        engine=Backend.ONNXRUNTIME.value,
        verified_on=replace(sequences, steps=options.horizon).record(),
        checked_steps=steps,
        tensors=shown.trace.tensors(),
        state=state,
        growth=growth,
        clipping=shown.clipping.record(),
        layers=layers,
        decisions=decisions,
        limits=options.limits,
        findings=found,
        fault=fault,
        passed=not found,
        sentence=sentence(graph.name, found, fault, sequences=len(sequences.clips), horizon=options.horizon),
    )


def calibration_files(bundle: Bundle, graph: GraphSpec) -> frozenset[str]:
    """SHA-256 of every file that calibrated a graph.

    Raises:
        UsageError: the bundle does not say.
    """
    for entry in bundle.manifest.files:
        if entry.role is FileRole.CALIBRATION:
            record = loads(CalibrationRecord, bundle.contents[entry.path], where=str(bundle.path / entry.path))
            if record.graph == graph.name:
                return frozenset(record.calibrated_on.files)
    msg = f"{bundle.path} does not say what calibrated {graph.name!r}; quantize it again."
    raise UsageError(msg)


def refuse_overlap(sequences: SequenceSet, calibrated: frozenset[str]) -> None:
    """Refuse to verify on what calibrated.

    Raises:
        DataError: at least one file is in both sets; the message names some.
    """
    shared = [file.label for file in sequences.files if file.sha256 in calibrated]
    if shared:
        named = ", ".join(shared[:3]) + (", ..." if len(shared) > 3 else "")
        msg = (
            f"{len(shared)} of {len(sequences.files)} files calibrated this graph ({named}); give other data, or "
            "--leave-out-calibrated to take the other sequences."
        )
        raise DataError(msg)


def _decisions(shown: Lockstep, sequences: int) -> DecisionParity:
    agreement, curves = shown.agreement, compare_verification(shown.agreement.scores)
    return DecisionParity(
        sequences=sequences,
        false_accept_rate=shown.false_accept_rate,
        same_match=agreement.same_match,
        same_verdict=agreement.same_verdict,
        same_commit=agreement.same_commit,
        committed=agreement.committed,
        most_frames_apart=agreement.most_frames_apart,
        auc_step=curves.step,
        auc_float=curves.auc_float,
        auc_deployed=curves.auc_deployed,
        auc_loss=curves.auc_loss,
        eer_float=curves.eer_float,
        eer_deployed=curves.eer_deployed,
        eer_rise=curves.eer_rise,
        det_float=curves.det_float,
        det_deployed=curves.det_deployed,
    )


def _layers(
    run: LockstepRun, sequences: SequenceSet, found: tuple[Finding, ...], horizon: int
) -> tuple[tuple[NodeError, ...], Culprit | None]:
    """Layer by layer at the first finding's step; later too where nothing shows yet, since a fresh state hides much."""
    usual = min(_LAYERS_AT, horizon)
    steps = dict.fromkeys([found[0].step, min(2, horizon), usual, horizon] if found else [usual])
    looks = (layer_errors(run.sides[0].model, run.sides[1].model, _feeds_at(run, sequences, step)) for step in steps)
    first = next(looks)
    return first if first[1] is not None else next((look for look in looks if look[1] is not None), first)


def _feeds_at(run: LockstepRun, sequences: SequenceSet, step: int) -> Mapping[str, Array]:
    """What the float graph is given at a step of the first batch, its state included."""
    probes = replace(sequences, half=Half.PROBE, steps=step)
    batch = next(probes.batches(run.preprocessing, size=32))
    (observed,) = observed_inputs(run.graph)
    states = initial_states(run.graph, len(batch))
    step_float = run.sides[0].make_step()
    for t, rows in enumerate(batch.steps(), 1):
        feeds = {observed: rows, **states}
        if t == step:
            return {name: array.copy() for name, array in feeds.items()}
        outputs = step_float(feeds)
        states = {pair.input: outputs[pair.output] for pair in run.graph.states}
    raise AssertionError(step)


def _fault(graph: GraphSpec, found: tuple[Finding, ...], culprit: Culprit | None) -> Fault | None:
    if not found:
        return None
    if culprit is None:
        return Fault(step=found[0].step, tensor=graph.states[0].output, node="", error=0.0)
    return Fault(step=found[0].step, tensor=culprit.tensor, node=culprit.node, error=culprit.error)
