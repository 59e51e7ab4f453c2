"""What verification found goes into the bundle, whatever kind of graph it was about."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, update_bundle
from crystaledge.jsonio import dumps
from crystaledge.manifest.model import FileRole, VerificationSummary
from crystaledge_calibration.records import SequenceSetRecord


class Verified(Protocol):
    """What the records of all gates have."""

    @property
    def graph(self) -> str: ...

    @property
    def graph_sha256(self) -> str: ...

    @property
    def engine(self) -> str: ...

    @property
    def verified_on(self) -> SequenceSetRecord: ...

    @property
    def passed(self) -> bool: ...

    @property
    def sentence(self) -> str: ...


def record_in_bundle(bundle: Bundle, *records: Verified) -> Bundle:
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


def _summary(record: Verified) -> VerificationSummary:
    return VerificationSummary(
        graph=record.graph,
        graph_sha256=record.graph_sha256,
        engine=record.engine,
        engine_sha256=None,
        horizon=record.verified_on.steps,
        sequences=record.verified_on.sequences,
        passed=record.passed,
        sentence=record.sentence,
        record=_path(record),
    )


def _path(record: Verified) -> str:
    return f"records/verify.{record.graph}.{record.engine}.json"
