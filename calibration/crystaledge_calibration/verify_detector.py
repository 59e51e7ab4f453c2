"""The gate of detectors: float against deployed graphs on images that calibrated nothing, all sizes together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, update_bundle
from crystaledge.detection.codec import STRIDE_PX
from crystaledge.engine.select import Backend
from crystaledge.errors import ContractError, DataError, UsageError
from crystaledge.files import sha256_of
from crystaledge.jsonio import dumps
from crystaledge.manifest.model import FileRole, GraphSpec, Precision, VerificationSummary, detection_decision
from crystaledge_calibration.detection_fault import fault_in
from crystaledge_calibration.detection_gate import detection_findings, detection_sentence
from crystaledge_calibration.detection_records import (
    DETECTION_RECORD_VERSION,
    DetectionLimits,
    DetectionVerificationRecord,
)
from crystaledge_calibration.detection_tally import FaceTally, MapTally
from crystaledge_calibration.family import Size, differences, reads_images, size_of
from crystaledge_calibration.image_set import ImageSet, octaves_of
from crystaledge_calibration.observe import watched_step
from crystaledge_calibration.pyramid import faces_of
from crystaledge_calibration.rollout import StepFunction

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Member:
    """One size of a family: the deployed graph and the float one that it was made from."""

    graph: GraphSpec
    reference: GraphSpec
    models: tuple[ModelProto, ModelProto]
    """Float, deployed."""
    steps: tuple[StepFunction, StepFunction]
    tally: MapTally


def families_to_verify(bundle: Bundle, name: str | None) -> list[tuple[GraphSpec, ...]]:
    """Quantized detectors that run together, one family a target, that of whole images first.

    Args:
        name: only the family of this graph.

    Raises:
        UsageError: there is none, or the named graph is float32.
    """
    whole = bundle.manifest.preprocessing.size_hw
    graphs = [g for g in bundle.manifest.graphs if g.precision is not Precision.FLOAT32 and reads_images(g)]
    if name is not None:
        named = bundle.graph(name)
        graphs = [graph for graph in graphs if named in graphs and graph.target is named.target]
    if not graphs:
        what = f"the graph {name!r} is no quantized detector" if name else f"{bundle.path} has no quantized detector"
        msg = f"Nothing to verify: {what}. Quantize first."
        raise UsageError(msg)
    graphs.sort(key=lambda graph: size_of(graph) != whole)
    targets = dict.fromkeys(graph.target for graph in graphs)
    return [tuple(graph for graph in graphs if graph.target is target) for target in targets]


def verify_detectors(
    bundle: Bundle,
    family: Sequence[GraphSpec],
    images: ImageSet,
    limits: DetectionLimits,
    *,
    progress: Callable[[int], object] = lambda done: None,
) -> tuple[DetectionVerificationRecord, ...]:
    """Verify a family against the float graphs that it was made from; a record for each graph, one verdict for all.

    Whole images go through the graphs of all octaves and are decided on; graphs of other sizes see windows of them.

    Args:
        images: none of which calibrated the graphs.
        progress: told how many images were seen since the last call.

    Raises:
        ContractError: the family has no graph for an octave.
        DataError: the float graphs find no face at all in the images.
    """
    decision = detection_decision(bundle.manifest.decision, where=str(bundle.path))
    members = {size_of(graph): _member(bundle, graph) for graph in family}
    octaves = _octaves(bundle, members, decision.octaves)
    faces, probes = FaceTally(decision.point.score), dict[Size, Array]()
    for number, rows in enumerate(images.rows(bundle.manifest.preprocessing)):
        seen = dict(zip(octaves, octaves_of(rows, decision.octaves), strict=True))
        maps = {size: _compared(members[size], level) for size, level in seen.items()}
        found = [faces_of([maps[size][side] for size in octaves], decision) for side in (0, 1)]
        for left, right in zip(*found, strict=True):
            faces.add(left, right)
        for size in members.keys() - maps.keys():
            seen[size] = _windows(rows, size, seed=(images.seed, number))
            _compared(members[size], seen[size])
        probes = probes or seen
        progress(len(rows))
    decisions = faces.record()
    if not decisions.faces_float:
        msg = f"The float graphs find no face in {decisions.images} images, so nothing is proven; give images of faces."
        raise DataError(msg)
    whole = members[octaves[0]]
    strangers = {m.graph.name: differences(whole.models[1], m.models[1]) for m in members.values()}
    errors = {m.graph.name: m.tally.errors() for m in members.values()}
    findings = detection_findings(strangers, errors, decisions, limits)
    suspects = {m.graph.name: (m.models, probes[size]) for size, m in members.items()}
    fault = fault_in(findings[0].graph, strangers, suspects) if findings else None
    names = tuple(strangers)
    return tuple(
        DetectionVerificationRecord(
            schema_version=DETECTION_RECORD_VERSION,
            graph=member.graph.name,
            graph_sha256=sha256_of(bundle.graph_bytes(member.graph)),
            reference=member.reference.name,
            reference_sha256=sha256_of(bundle.graph_bytes(member.reference)),
            engine=Backend.ONNXRUNTIME.value,
            family=names,
            verified_on=images.record(),
            tensors=member.tally.traces(),
            map_errors=member.tally.errors(),
            decisions=decisions,
            limits=limits,
            findings=findings,
            fault=fault,
            passed=not findings,
            sentence=detection_sentence(names, findings, fault, decisions),
        )
        for member in members.values()
    )


def record_detectors(bundle: Bundle, records: Sequence[DetectionVerificationRecord]) -> Bundle:
    """Write records into the bundle, all or none, in the place of earlier ones of the same graphs and engine."""
    manifest = bundle.manifest
    mine = {(record.graph, record.engine) for record in records}
    others = (v for v in manifest.verification if (v.graph, v.engine) not in mine)
    choice = manifest.choice
    if choice is not None and choice.graph in {record.graph for record in records}:
        choice = None  # it was made on what an earlier verification said; `bench` chooses again
    summaries = (_summary(record) for record in records)
    parts = tuple(Part(_path(record), FileRole.VERIFICATION, dumps(record).encode()) for record in records)
    return update_bundle(bundle, replace(manifest, verification=(*others, *summaries), choice=choice), parts)


def _summary(record: DetectionVerificationRecord) -> VerificationSummary:
    return VerificationSummary(
        graph=record.graph,
        graph_sha256=record.graph_sha256,
        engine=record.engine,
        engine_sha256=None,
        horizon=1,
        sequences=record.decisions.images,
        passed=record.passed,
        sentence=record.sentence,
        record=_path(record),
    )


def _path(record: DetectionVerificationRecord) -> str:
    return f"records/verify.{record.graph}.{record.engine}.json"


def _member(bundle: Bundle, graph: GraphSpec) -> Member:
    reference = bundle.graph(graph.derived_from)
    float32, deployed = (onnx.load_from_string(bundle.graph_bytes(one)) for one in (reference, graph))
    steps = watched_step(float32, ()), watched_step(deployed, ())
    return Member(graph, reference, (float32, deployed), steps, MapTally())


def _octaves(bundle: Bundle, members: Mapping[Size, Member], octaves: int) -> list[Size]:
    height, width = bundle.manifest.preprocessing.size_hw
    sizes = [(height >> octave, width >> octave) for octave in range(octaves)]
    missing = [f"{size[0]}x{size[1]}" for size in sizes if size not in members]
    if missing:
        msg = f"The quantized detectors of {bundle.path} lack the size {missing[0]} px; quantize them together again."
        raise ContractError(msg)
    return sizes


def _compared(member: Member, rows: Array) -> tuple[Mapping[str, Array], Mapping[str, Array]]:
    """Outputs of both sides; what the bundle promises as the largest batch goes in at once."""
    left, right = (_run(step, member, rows) for step in member.steps)
    member.tally.add(left, right)
    return left, right


def _run(step: StepFunction, member: Member, rows: Array) -> Mapping[str, Array]:
    (image,) = (spec.name for spec in member.graph.inputs)
    parts = [step({image: chunk}) for chunk in _chunks(rows, member.graph.batch.max)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _chunks(rows: Array, size: int) -> Iterator[Array]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _windows(rows: Array, size_hw: Size, *, seed: tuple[int, ...]) -> Array:
    """One window of each image, where cells begin."""
    random = np.random.default_rng((*seed, *size_hw))
    spare = [(whole - part) // STRIDE_PX for whole, part in zip(rows.shape[2:], size_hw, strict=True)]
    places = random.integers(0, np.array(spare) + 1, (len(rows), 2)) * STRIDE_PX
    return np.stack([row[:, y : y + size_hw[0], x : x + size_hw[1]] for row, (y, x) in zip(rows, places, strict=True)])
