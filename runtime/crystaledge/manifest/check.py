"""Reads a manifest and refuses what cannot be true: the rules that a JSON Schema cannot say."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from crystaledge.errors import ManifestError
from crystaledge.jsonio import loads, refuse_unknown_version
from crystaledge.manifest.model import MANIFEST_NAME, SCHEMA_VERSION, FileRole, GraphSpec, Manifest, Precision
from crystaledge.tensors import StatePair, TensorSpec


def parse_manifest(text: str | bytes, *, where: str = MANIFEST_NAME) -> Manifest:
    """Parse and check a manifest.

    Raises:
        ManifestError: unknown version or key, wrong type or value, or parts that contradict
            each other; the message names the place.
    """
    refuse_unknown_version(text, SCHEMA_VERSION, where=where)
    manifest = loads(Manifest, text, where=where)
    _unique("file", (f.path for f in manifest.files), where)
    _unique("graph", (g.name for g in manifest.graphs), where)
    if not manifest.graphs:
        msg = f"{where} lists no graph; a bundle has at least one."
        raise ManifestError(msg)
    listed = {f.path for f in manifest.files if f.role is FileRole.GRAPH}
    for graph in manifest.graphs:
        if graph.file not in listed:
            msg = f"{where}: graph {graph.name!r} names {graph.file!r}, which is not listed under files as a graph."
            raise ManifestError(msg)
        _check_graph(graph, f"{where}: graph {graph.name!r}")
    _check_references(manifest, where)
    return manifest


def _check_references(manifest: Manifest, where: str) -> None:
    """What names a graph names one that is there; quantized graphs say for what and from what."""
    graphs = {graph.name: graph for graph in manifest.graphs}
    named = [("parity", p.graph) for p in manifest.parity] + [("latency", p.graph) for p in manifest.latency]
    named += [("verification", v.graph) for v in manifest.verification]
    named += [("choice", manifest.choice.graph)] if manifest.choice is not None else []
    for what, name in named:
        if name not in graphs:
            msg = f"{where}: {what} speaks of the graph {name!r}, which the bundle does not have."
            raise ManifestError(msg)
    records = {f.path for f in manifest.files if f.role in (FileRole.VERIFICATION, FileRole.SELF_TEST)}
    for summary in manifest.verification:
        if summary.record not in records:
            msg = f"{where}: verification of {summary.graph!r} names {summary.record!r}, which is not among the files."
            raise ManifestError(msg)
    _unique("verification of", (f"{v.graph} in {v.engine}" for v in manifest.verification), where)
    for graph in manifest.graphs:
        _check_origin(graph, graphs, f"{where}: graph {graph.name!r}")


def _check_origin(graph: GraphSpec, graphs: dict[str, GraphSpec], where: str) -> None:
    quantized = graph.precision is not Precision.FLOAT32
    if quantized != (graph.target is not None) or quantized != (graph.derived_from is not None):
        msg = f"{where} is {graph.precision.value}; exactly the quantized graphs have a target and a float original."
        raise ManifestError(msg)
    if graph.derived_from is not None:
        original = graphs.get(graph.derived_from)
        if original is None or original.precision is not Precision.FLOAT32:
            msg = f"{where} is derived from {graph.derived_from!r}, which is no float32 graph of the bundle."
            raise ManifestError(msg)
        if (graph.inputs, graph.outputs, graph.states) != (original.inputs, original.outputs, original.states):
            msg = f"{where} has another border than {original.name!r}, from which it is derived."
            raise ManifestError(msg)


def _check_graph(graph: GraphSpec, where: str) -> None:
    _unique("tensor", (t.name for t in (*graph.inputs, *graph.outputs)), where)
    buckets = graph.batch.buckets
    if list(buckets) != sorted(set(buckets)) or not buckets or buckets[-1] != graph.batch.max:
        msg = f"{where} has batch buckets {list(buckets)}; expected rising sizes that end at max, {graph.batch.max}."
        raise ManifestError(msg)
    if not graph.batch.min <= buckets[0]:
        msg = f"{where} has a bucket of {buckets[0]} below its smallest batch, {graph.batch.min}."
        raise ManifestError(msg)
    _unique("state input", (s.input for s in graph.states), where)
    _unique("state output", (s.output for s in graph.states), where)
    inputs, outputs = {t.name: t for t in graph.inputs}, {t.name: t for t in graph.outputs}
    for pair in graph.states:
        _check_side(pair, pair.input, inputs, "input", where)
        _check_side(pair, pair.output, outputs, "output", where)
        if not math.isfinite(pair.initial):
            msg = f"{where}: state {pair.input!r} starts at {pair.initial}; expected a finite number."
            raise ManifestError(msg)


def _check_side(pair: StatePair, name: str, specs: dict[str, TensorSpec], side: str, where: str) -> None:
    if name not in specs:
        msg = f"{where}: state pair names the {side} {name!r}, which is not among the graph's {side}s; is it swapped?"
        raise ManifestError(msg)
    spec = specs[name]
    if spec.row_shape != pair.shape or spec.dtype is not pair.dtype:
        msg = (
            f"{where}: state {side} {name!r} is {spec.dtype.value} {list(spec.row_shape)} in the graph "
            f"but {pair.dtype.value} {list(pair.shape)} in its pair."
        )
        raise ManifestError(msg)


def _unique(what: str, names: Iterable[str], where: str) -> None:
    name, count = Counter(names).most_common(1)[0] if (names := list(names)) else ("", 0)
    if count > 1:
        msg = f"{where} names the {what} {name!r} {count} times; names are unique."
        raise ManifestError(msg)
