"""From a bundle with a float step graph to the same bundle with a Q/DQ graph beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import onnx
from onnx import ModelProto

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, update_bundle
from crystaledge.errors import DataError, GateFailedError, OutputExistsError, UsageError
from crystaledge.jsonio import dumps
from crystaledge.manifest.model import FileRole, GraphSpec, Manifest, Precision, Target
from crystaledge_calibration.accounting import accounting
from crystaledge_calibration.calibration_record import calibration_record, node_records, range_records
from crystaledge_calibration.choices import LintTarget
from crystaledge_calibration.closed_loop_score import Judge
from crystaledge_calibration.lint.findings import Finding as LintFinding
from crystaledge_calibration.lint.findings import Severity
from crystaledge_calibration.lint.lint import lint_graph
from crystaledge_calibration.recipe import Recipe, RecipeOptions, Workbench
from crystaledge_calibration.records import CalibrationRecord
from crystaledge_calibration.search import sensitivities
from crystaledge_calibration.sequence_set import SequenceSet
from crystaledge_calibration.step_model import quantizable_nodes, weighted_nodes
from crystaledge_calibration.trained import Trained, read_trained

CHOOSE_BY_EVERY = 2
"""Every second sequence is kept out of the ranges, to choose by."""


@dataclass(frozen=True, slots=True)
class Quantized:
    """What `quantize_graph` made, before it is written."""

    graph: GraphSpec
    model: ModelProto
    record: CalibrationRecord


def graph_to_quantize(bundle: Bundle, name: str | None, target: Target, *, force: bool) -> GraphSpec:
    """The float step graph that is meant.

    Raises:
        UsageError: the graph is quantized already, or has no state.
        OutputExistsError: the bundle has a graph for that target and `force` is false.
    """
    graph = bundle.graph(name)
    if graph.precision is not Precision.FLOAT32:
        msg = f"The graph {graph.name!r} is quantized already; name the float32 one, {graph.derived_from!r}."
        raise UsageError(msg)
    if not graph.states:
        msg = f"The graph {graph.name!r} has no state, and so no loop to close; this command quantizes step graphs."
        raise UsageError(msg)
    if not force and any(g.name == quantized_name(graph, target) for g in bundle.manifest.graphs):
        msg = f"{bundle.path} has a graph for {target.value} already; give --force to replace it and its verification."
        raise OutputExistsError(msg)
    return graph


def quantized_name(graph: GraphSpec, target: Target) -> str:
    """Such as `step-int8-tensorrt`."""
    return f"{graph.name}-int8-{target.value}"


def quantize_graph(
    bundle: Bundle,
    graph: GraphSpec,
    sequences: SequenceSet,
    options: RecipeOptions,
    *,
    use_trained: bool = True,
    progress: Callable[[int], object] = lambda done: None,
) -> Quantized:
    """Calibrate and quantize a graph in closed loop.

    Args:
        progress: told how many sequence-steps were observed since the last call.

    Raises:
        DataError: the sequences cannot calibrate the graph.
        GateFailedError: the result is not legal for the target.
    """
    model = onnx.load_from_string(bundle.graph_bytes(graph))
    refuse_unknown_nodes(model, options.keep_float)
    calibrating, choosing = sequences.split(every=CHOOSE_BY_EVERY)
    preprocessing = bundle.manifest.preprocessing
    judge = Judge(graph, model, choosing, preprocessing, workers=options.workers)
    recipe = Recipe(Workbench(graph, model, calibrating, judge, preprocessing, options, progress))
    best = recipe.run(trained_for(bundle) if use_trained else None)
    everything = tuple(node.name for node in quantizable_nodes(model))
    sensitivity = sensitivities(judge, replace(recipe.uncorrected or best.draft, nodes=everything))
    built = best.draft.build()
    spec = quantized_spec(graph, built, options.target)
    refuse_illegal((graph, model), (spec, built))
    record = calibration_record(
        spec,
        sequences=sequences,
        chosen_on=judge.sequences,
        recipe=tuple(recipe.rows),
        ranges=range_records(spec, best.draft),
        nodes=node_records(model, best.draft, sensitivity, given_back=recipe.given_back, kept=options.keep_float),
        accounting=accounting(model, built),
    )
    return Quantized(spec, built, record)


def add_to_bundle(bundle: Bundle, *quantized: Quantized) -> Bundle:
    """Write graphs and their records, all or none; what was said of earlier graphs of that name goes."""
    names = {one.graph.name for one in quantized}
    manifest = bundle.manifest
    old = [g.file for g in manifest.graphs if g.name in names]
    drop = {*old, *(v.record for v in manifest.verification if v.graph in names)}
    drop |= {
        f.path for f in manifest.files if f.role in (FileRole.BENCHMARK, FileRole.DEVICE_BENCHMARK)
    }  # it compares graphs that were
    parts = tuple(part for one in quantized for part in _parts(one))
    return update_bundle(bundle, _manifest_with(manifest, *(one.graph for one in quantized)), parts, drop=drop)


def _parts(one: Quantized) -> tuple[Part, Part]:
    return (
        Part(one.graph.file, FileRole.GRAPH, one.model.SerializeToString(deterministic=True)),
        Part(f"records/calibrate.{one.graph.name}.json", FileRole.CALIBRATION, dumps(one.record).encode()),
    )


def trained_for(bundle: Bundle) -> Trained | None:
    """What quantization-aware training left in the bundle, if anything.

    Raises:
        DataError: it was trained to follow another checkpoint.
    """
    for entry in bundle.manifest.files:
        if entry.role is FileRole.TRAINED:
            trained = read_trained(bundle.contents[entry.path], where=str(bundle.path / entry.path))
            if trained.parent_sha256 != bundle.manifest.provenance.checkpoint_sha256:
                msg = f"{bundle.path / entry.path} was trained to follow another checkpoint; export the bundle again."
                raise DataError(msg)
            return trained
    return None


def _manifest_with(manifest: Manifest, *graphs: GraphSpec) -> Manifest:
    names = {graph.name for graph in graphs}
    choice = manifest.choice if manifest.choice is not None and manifest.choice.graph not in names else None
    return replace(
        manifest,
        graphs=(*(g for g in manifest.graphs if g.name not in names), *graphs),
        verification=tuple(v for v in manifest.verification if v.graph not in names),
        latency=(),
        choice=choice,
    )


def quantized_spec(graph: GraphSpec, model: ModelProto, target: Target) -> GraphSpec:
    """How a manifest describes the Q/DQ form of a float graph."""
    return replace(
        graph,
        name=quantized_name(graph, target),
        file=f"graphs/{graph.name}.int8.{target.value}.onnx",
        precision=Precision.INT8,
        target=target,
        derived_from=graph.name,
        opset=next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")),
        ir_version=model.ir_version,
    )


def refuse_unknown_nodes(model: ModelProto, names: tuple[str, ...]) -> None:
    """Refuse names of `--keep-float` that the graph has not.

    Raises:
        UsageError: the message says which there are.
    """
    known = [name for node in weighted_nodes(model) for name in (node.name, node.weight)]
    for name in names:
        if name not in known:
            msg = f"There is no node or weight {name!r} to keep in float32; the graph has {', '.join(known)}."
            raise UsageError(msg)


def refuse_illegal(float32: tuple[GraphSpec, ModelProto], int8: tuple[GraphSpec, ModelProto]) -> None:
    """Refuse what quantization made illegal; what is wrong with the float graph already, `lint` says.

    Raises:
        GateFailedError: the int8 graph is not legal for a target.
    """
    targets = [t for t in LintTarget if (t is LintTarget.CPU) == (int8[0].target is Target.CPU)]
    for target in targets:
        known = {(error.rule, error.where) for error in _errors(float32, target)}
        errors = [error for error in _errors(int8, target) if (error.rule, error.where) not in known]
        if errors:
            msg = f"The quantized graph is not legal for {target.value}: {errors[0].message} {errors[0].cure}"
            raise GateFailedError(msg)


def _errors(graph: tuple[GraphSpec, ModelProto], target: LintTarget) -> list[LintFinding]:
    spec, model = graph
    found = lint_graph(model.SerializeToString(), spec, target)
    return [finding for finding in found if finding.severity is Severity.ERROR]
