"""The gate of graphs that read images: float against deployed on images that calibrated nothing, all sizes together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.engine.select import Backend
from crystaledge.files import sha256_of
from crystaledge.manifest.model import GraphSpec
from crystaledge_calibration.family import Size, differences
from crystaledge_calibration.family_members import Member, members_of, octave_sizes, window_rows
from crystaledge_calibration.image_fault import fault_in
from crystaledge_calibration.image_gate import image_findings, image_sentence
from crystaledge_calibration.image_records import ImageFault, ImageFinding, ImageVerificationRecord, L, P
from crystaledge_calibration.image_set import ImageSet, octaves_of
from crystaledge_calibration.image_task import ImageTask
from crystaledge_calibration.records import RECORD_VERSION

Array = NDArray[np.float32]
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is said of all graphs of a family together."""

    family: tuple[str, ...]
    findings: tuple[ImageFinding, ...]
    fault: ImageFault | None
    sentence: str


def verify_family(
    bundle: Bundle,
    family: Sequence[GraphSpec],
    images: ImageSet,
    task: ImageTask[S, P, L],
    limits: L,
    *,
    progress: Callable[[int], object] = lambda done: None,
) -> tuple[ImageVerificationRecord[P, L], ...]:
    """Verify a family against the float graphs that it was made from; a record for each graph, one verdict for all.

    Whole images go through the graphs of all octaves and are decided on; graphs of other sizes see windows of them.

    Args:
        images: none of which calibrated the graphs.
        progress: told how many images were seen since the last call.

    Raises:
        ContractError: the family has no graph for an octave.
        DataError: nothing is proven by these images.
    """
    members = members_of(bundle, family)
    octaves = octave_sizes(bundle, members, task.octaves)
    tally, probes = task.tally(images), dict[Size, Array]()
    for number, rows in enumerate(images.rows(bundle.manifest.preprocessing)):
        seen = dict(zip(octaves, octaves_of(rows, task.octaves), strict=True))
        maps = {size: members[size].compared(level) for size, level in seen.items()}
        sides = [task.see([maps[size][side] for size in octaves]) for side in (0, 1)]
        for left, right in zip(*sides, strict=True):
            tally.add(left, right)
        for size in members.keys() - maps.keys():
            stride_px = members[size].stride_px
            seen[size] = window_rows(rows, size, stride_px=stride_px, seed=(images.seed, number))
            members[size].compared(seen[size])
        probes = probes or seen
        progress(len(rows))
    decisions = tally.record()
    ordered = [members[octaves[0]], *(m for size, m in members.items() if size != octaves[0])]
    verdict = _verdict(ordered, {members[size].graph.name: rows for size, rows in probes.items()}, decisions, limits)
    return tuple(_record(bundle, member, images, task, verdict, decisions, limits) for member in ordered)


def _verdict(members: Sequence[Member], probes: Mapping[str, Array], decisions: P, limits: L) -> _Verdict:
    """The judgement of all together.

    Args:
        members: that of whole images first.
        probes: some images for each graph, to look for the fault with.
    """
    strangers = {m.graph.name: differences(members[0].models[1], m.models[1]) for m in members}
    errors = {m.graph.name: m.tally.errors() for m in members}
    found = image_findings(strangers, decisions.demands(limits), errors, map_error=limits.map_error)
    suspects = {m.graph.name: (m.models, probes[m.graph.name]) for m in members}
    fault = fault_in(found[0].graph, strangers, suspects) if found else None
    family = tuple(strangers)
    return _Verdict(family, found, fault, image_sentence(family, found, fault, decisions))


def _record(
    bundle: Bundle,
    member: Member,
    images: ImageSet,
    task: ImageTask[S, P, L],
    verdict: _Verdict,
    decisions: P,
    limits: L,
) -> ImageVerificationRecord[P, L]:
    return task.record(
        schema_version=RECORD_VERSION,
        graph=member.graph.name,
        graph_sha256=sha256_of(bundle.graph_bytes(member.graph)),
        reference=member.reference.name,
        reference_sha256=sha256_of(bundle.graph_bytes(member.reference)),
        engine=Backend.ONNXRUNTIME.value,
        family=verdict.family,
        verified_on=images.record(),
        tensors=member.tally.traces(),
        map_errors=member.tally.errors(),
        decisions=decisions,
        limits=limits,
        findings=verdict.findings,
        fault=verdict.fault,
        passed=not verdict.findings,
        sentence=verdict.sentence,
    )
