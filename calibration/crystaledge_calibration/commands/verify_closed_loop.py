"""`crystaledge verify`, of step graphs."""

from __future__ import annotations

from argparse import Namespace

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome, talk
from crystaledge.errors import UsageError
from crystaledge.jsonio import encode
from crystaledge.manifest.model import GraphSpec, Precision
from crystaledge.sources.open import SYNTHETIC
from crystaledge_calibration.clips import Clip
from crystaledge_calibration.commands.limits import limits_of
from crystaledge_calibration.commands.sequences import (
    SYNTHETIC_NOTE,
    clips_of,
    progress_bar,
    sequences_of,
    threads_of,
)
from crystaledge_calibration.keep_records import record_in_bundle
from crystaledge_calibration.records import Limits, VerificationRecord
from crystaledge_calibration.verify import VerifyOptions, calibration_files, refuse_overlap, verify_graph

SCENE_SEED = 1
FEWEST_FRAMES = 2
"""Distinct frames of a sequence: one to enrol with, one to follow."""


def run(arguments: Namespace, bundle: Bundle) -> Outcome:
    """Verify a bundle's quantized step graphs; see the verb's help."""
    if arguments.warm_up < FEWEST_FRAMES:
        msg = f"--warm-up {arguments.warm_up} is too few: one half enrols, the other is verified; give 2 or more."
        raise UsageError(msg)
    graphs = graphs_to_verify(bundle, arguments.graph)
    calibrated = frozenset[str]().union(*(calibration_files(bundle, graph) for graph in graphs))
    if arguments.data == SYNTHETIC:
        talk(SYNTHETIC_NOTE)
    clips = clips_of(arguments, scene_seed=SCENE_SEED)
    if arguments.leave_out_calibrated:
        clips = _others(clips, calibrated)
    sequences = sequences_of(arguments, clips, steps=arguments.horizon)
    refuse_overlap(sequences, calibrated)
    limits = limits_of(Limits(), arguments.limit)
    options = VerifyOptions(horizon=arguments.horizon, limits=limits, workers=threads_of(arguments))
    records = []
    for graph in graphs:
        with progress_bar(len(sequences.clips) * arguments.horizon, graph.name) as advance:
            record = verify_graph(bundle, graph, sequences, options, progress=advance)
        bundle = record_in_bundle(bundle, record)
        records.append(record)
    return Outcome(
        text="\n".join(_text(record) for record in records),
        data={"graphs": [encode(record) for record in records]},
        passed=all(record.passed for record in records),
    )


def graphs_to_verify(bundle: Bundle, name: str | None) -> list[GraphSpec]:
    """The named graph, or every quantized one.

    Raises:
        UsageError: there is none, or the named one is float32.
    """
    named = [bundle.graph(name)] if name is not None else list(bundle.manifest.graphs)
    graphs = [graph for graph in named if graph.precision is not Precision.FLOAT32]
    if not graphs:
        what = f"the graph {name!r} is float32" if name is not None else f"{bundle.path} has no quantized graph"
        msg = f"Nothing to verify: {what}, which was checked against its training framework at export. Quantize first."
        raise UsageError(msg)
    return graphs


def _others(clips: list[Clip], calibrated: frozenset[str]) -> list[Clip]:
    return [clip for clip in clips if not any(file.sha256 in calibrated for file in clip.files())]


def _text(record: VerificationRecord) -> str:
    state, decisions = record.state, record.decisions
    rows = [record.sentence, f"  {'step':>6} {'cosine mean':>12} {'1st pct':>9} {'min':>9} {'error':>9}"]
    for i, step in enumerate(record.checked_steps):
        rows.append(
            f"  {step:>6} {state.cosine_mean[i]:>12.5f} {state.cosine_p01[i]:>9.5f} {state.cosine_min[i]:>9.5f} "
            f"{state.relative_error[i]:>9.5f}"
        )
    loss, rise = decisions.auc_loss, decisions.eer_rise
    rows += [
        f"  error at {record.checked_steps[-1]} / error at 16: {record.growth:.2f}",
        f"  same match {decisions.same_match:.2%}, same verdict {decisions.same_verdict:.2%}, same commit frame "
        f"{decisions.same_commit:.2%} (at most {decisions.most_frames_apart} apart; {decisions.committed:.0%} commit)",
        f"  AUC {decisions.auc_float:.4f} -> {decisions.auc_deployed:.4f}, loss {loss.value:.4f} "
        f"[{loss.low:.4f}, {loss.high:.4f}]; EER {decisions.eer_float:.4f} -> {decisions.eer_deployed:.4f}, "
        f"rise {rise.value:.4f} [{rise.low:.4f}, {rise.high:.4f}] (step {decisions.auc_step})",
    ]
    return "\n".join(rows)
