"""From a checkpoint to a bundle: graph, guards, golden sequences, model card, manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import onnx

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, npz_bytes, write_bundle
from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine
from crystaledge.errors import DataError
from crystaledge.files import refuse_existing
from crystaledge.manifest.model import (
    MANIFEST_NAME,
    SCHEMA_VERSION,
    FileRole,
    GraphSpec,
    Manifest,
    ParitySummary,
    Precision,
    Provenance,
)
from crystaledge.system import System
from crystaledge_calibration.golden import golden_file
from crystaledge_calibration.trained import Trained, read_trained
from crystaledge_export import mnemosyne, patchcore, phantom, student_teacher
from crystaledge_export.description import StepDescription, SystemExport
from crystaledge_export.guards import guard_border, guard_parity, torch_rollout
from crystaledge_export.model_card import model_card
from crystaledge_export.to_onnx import onnx_from_step
from crystaledge_training.checkpoint import Checkpoint
from crystaledge_training.weights import measured_results

SYSTEMS: Mapping[System, SystemExport] = {
    System.MNEMOSYNE: mnemosyne.EXPORT,
    System.PHANTOM: phantom.EXPORT,
    System.PATCHCORE: patchcore.EXPORT,
    System.STUDENT_TEACHER: student_teacher.EXPORT,
}
GOLDEN_STEPS = 16
GOLDEN_BATCH = 2
TRAINED_FILE = "trained/step.safetensors"


@dataclass(frozen=True, slots=True)
class TrainedFile:
    """The file that `train SYSTEM --qat` wrote."""

    data: bytes
    where: str
    """For error messages."""


@dataclass(frozen=True, slots=True)
class ExportedGraph:
    """One graph that has passed every guard."""

    description: StepDescription
    graph: GraphSpec
    model: bytes
    parity: ParitySummary


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export made."""

    bundle: Bundle
    graphs: tuple[ExportedGraph, ...]

    @property
    def first(self) -> ExportedGraph:
        """The system's main graph."""
        return self.graphs[0]


def export_checkpoint(
    checkpoint: Checkpoint, out: Path, *, trained: TrainedFile | None = None, force: bool = False
) -> Exported:
    """Export a checkpoint to a bundle at `out`; every guard has passed when this returns.

    Args:
        trained: what quantization-aware training made of this checkpoint, for `quantize` to build on.

    Raises:
        OutputExistsError: `out` exists and `force` is false.
        DataError: the checkpoint carries no decision parameters, or `trained` follows another checkpoint.
        GuardError: a guard refuses the graph; nothing is written.
    """
    refuse_existing(out, force=force, marker=MANIFEST_NAME)
    record = checkpoint.record
    if record.decision is None:
        msg = "The checkpoint carries no decision parameters; finish its training run first."
        raise DataError(msg)
    int8 = None if trained is None else _trained_weights(trained, checkpoint)
    extra = () if trained is None else (Part(TRAINED_FILE, FileRole.TRAINED, trained.data),)
    system = SYSTEMS[record.system]
    graphs = tuple(export_graph(description) for description in system.describe(checkpoint))
    parities, results = tuple(g.parity for g in graphs), measured_results(checkpoint.sha256)
    card = model_card(checkpoint, system, parities=parities, trained=int8, results=results)
    parts = (
        *(Part(g.graph.file, FileRole.GRAPH, g.model) for g in graphs),
        *(Part(golden_file(g.graph), FileRole.GOLDEN, _golden(g.description, g.graph)) for g in graphs),
        Part("MODEL_CARD.md", FileRole.MODEL_CARD, card.encode()),
        *system.parts(checkpoint),
        *extra,
    )
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        system=record.system,
        graphs=tuple(g.graph for g in graphs),
        files=tuple(part.entry for part in parts),
        preprocessing=record.preprocessing,
        decision=record.decision,
        provenance=Provenance(
            package_version=version("crystaledge"),
            checkpoint_sha256=checkpoint.sha256,
            data=record.provenance.data,
            outside_data=record.provenance.outside_data,
        ),
        parity=tuple(g.parity for g in graphs),
        verification=(),
        latency=(),
        choice=None,
        licence=record.provenance.licence,
        intended_use=system.intended_use,
    )
    return Exported(write_bundle(out, manifest, parts, force=force), graphs)


def export_graph(description: StepDescription) -> ExportedGraph:
    """One graph through every guard.

    Raises:
        GuardError: a guard refuses it.
    """
    model = onnx_from_step(description)
    guard_border(model, description)
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString(deterministic=True)
    graph = _graph_spec(description, model)
    return ExportedGraph(description, graph, data, guard_parity(OnnxRuntimeEngine(graph, data), description))


def _trained_weights(trained: TrainedFile, checkpoint: Checkpoint) -> Trained:
    found = read_trained(trained.data, where=trained.where)
    if found.parent_sha256 != checkpoint.sha256:
        msg = f"{trained.where} was trained to follow another checkpoint; export that one, or train again."
        raise DataError(msg)
    return found


def _graph_spec(description: StepDescription, model: onnx.ModelProto) -> GraphSpec:
    return GraphSpec(
        name=description.name,
        file=f"graphs/{description.name}.float32.onnx",
        precision=Precision.FLOAT32,
        target=None,
        derived_from=None,
        opset=next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")),
        ir_version=model.ir_version,
        inputs=description.inputs,
        outputs=description.outputs,
        batch=description.batch,
        states=description.states,
    )


def _golden(description: StepDescription, graph: GraphSpec) -> bytes:
    """What is shown and the float outputs of torch at every step, for self-tests on a device."""
    steps = GOLDEN_STEPS if description.states else 1  # without a state every step is a first one
    frames = description.frames(steps, GOLDEN_BATCH)
    observed = description.observe(frames)
    reference = torch_rollout(description, graph, observed)
    shown = {"frames": frames} if description.goldens_hold_frames else {f"input.{k}": v for k, v in observed.items()}
    return npz_bytes(shown | {f"output.{name}": values for name, values in reference.items()})
