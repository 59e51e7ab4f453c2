"""All records of a bundle as one JSON object."""

from __future__ import annotations

import json
from typing import Any

from crystaledge.jsonio import encode
from crystaledge_benchmarks.report.bundle_records import BundleRecords
from crystaledge_benchmarks.report.sentences import verdict_of
from crystaledge_calibration.records import SequenceSetRecord


def report_data(records: BundleRecords) -> dict[str, Any]:
    """Verdicts, manifest and records, as JSON values; None where there is no record."""
    verdicts = [(graph, *verdict_of(records, graph)) for graph in records.bundle.manifest.graphs]
    return {
        "bundle": records.bundle.path.resolve().name,
        "verdicts": [{"graph": g.name, "standing": s.value, "sentence": text} for g, s, text in verdicts],
        "manifest": encode(records.bundle.manifest),
        "calibration": {q.graph.name: _without_files(encode(q.calibration)) for q in records.quantized},
        "verification": {
            q.graph.name: [{"current": v.current, "record": _without_files(encode(v.record))} for v in q.verifications]
            for q in records.quantized
        },
        "bench": encode(records.bench),
        "bench_is_current": records.bench_current,
    }


def report_json(records: BundleRecords) -> str:
    """`report_data` as text."""
    return json.dumps(report_data(records), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


_SET_FIELDS = set(SequenceSetRecord.__dataclass_fields__)


def _without_files(value: Any) -> Any:
    """Sets of sequences with the number of their files in the place of the hashes, which could tell whose they are."""
    if isinstance(value, dict):
        kept = {key: _without_files(inner) for key, inner in value.items()}
        return kept | {"files": len(value["files"])} if set(value) == _SET_FIELDS else kept
    if isinstance(value, list):
        return [_without_files(inner) for inner in value]
    return value
