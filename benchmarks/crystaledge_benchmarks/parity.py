"""What is known of each graph's parity: from the manifest for float32, from the verification record for INT8."""

from __future__ import annotations

from typing import Any

from crystaledge.bundle import Bundle
from crystaledge.errors import BundleError
from crystaledge.files import sha256_of
from crystaledge.jsonio import loads, refuse_unknown_version
from crystaledge.manifest.model import GraphSpec, ParitySummary, Precision, VerificationSummary
from crystaledge_benchmarks.bench_record import ClosedLoopParity, FrameworkParity, ImageParity, Parity, Standing
from crystaledge_calibration.image_records import ImageVerificationRecord
from crystaledge_calibration.kinds import AnyVerificationRecord, kind_of
from crystaledge_calibration.records import RECORD_VERSION, VerificationRecord


def parity_of(bundle: Bundle, graph: GraphSpec, *, engine: str) -> Parity:
    """Whether a graph passes in an engine, in words and numbers.

    A quantized graph passes only where its float32 original does: agreeing with a wrong original is
    no merit.

    Raises:
        BundleError: a verification record cannot be read.
    """
    if graph.precision is Precision.FLOAT32:
        return _of_float(bundle, graph)
    parity = _of_quantized(bundle, graph, engine)
    original = _of_float(bundle, bundle.graph(graph.derived_from))
    if parity.standing is Standing.PASSED and original.standing is not Standing.PASSED:
        return _unknown(f"its float32 original {graph.derived_from!r} has not passed: {original.says}")
    return parity


def verification_record(bundle: Bundle, summary: VerificationSummary) -> AnyVerificationRecord:
    """The record behind a summary, of the kind that fits what the bundle decides about.

    Raises:
        BundleError: it cannot be read, says something else than its summary, or lacks a checked step.
    """
    where = str(bundle.path / summary.record)
    text = bundle.contents[summary.record]
    refuse_unknown_version(text, RECORD_VERSION, where=where, error=BundleError)
    record = loads(kind_of(bundle).record, text, where=where, error=BundleError)
    told = (summary.graph, summary.graph_sha256, summary.engine, summary.passed)
    if told != (record.graph, record.graph_sha256, record.engine, record.passed):
        msg = f"{where} and the manifest contradict each other; make both again with `crystaledge verify`."
        raise BundleError(msg)
    if not _is_whole(record):
        msg = f"{where} has traces that do not fit its checked steps; make it again with `crystaledge verify`."
        raise BundleError(msg)
    return record


def is_of_these_bytes(bundle: Bundle, summary: VerificationSummary) -> bool:
    """Whether a verification speaks of the graph file as it is now."""
    return summary.graph_sha256 == sha256_of(bundle.graph_bytes(bundle.graph(summary.graph)))


def _is_whole(record: AnyVerificationRecord) -> bool:
    """Whether there is a number for each output at each checked step, of which images have one."""
    traces = [numbers for trace in record.tensors for numbers in (trace.max_abs, trace.mean_abs)]
    steps = 1
    if isinstance(record, VerificationRecord):
        state, steps = record.state, len(record.checked_steps)
        traces += [state.cosine_mean, state.cosine_p01, state.cosine_min, state.relative_error]
    elif not record.map_errors:
        return False
    return bool(record.tensors) and {len(trace) for trace in traces} == {steps} != {0}


def _of_float(bundle: Bundle, graph: GraphSpec) -> Parity:
    seen = [parity for parity in bundle.manifest.parity if parity.graph == graph.name]
    if not seen:
        return _unknown("never compared with its training framework; export the bundle again")
    worst = max(seen, key=_excess)
    passed = _excess(worst) <= 0.0
    return Parity(
        standing=Standing.PASSED if passed else Standing.FAILED,
        says=f"error {worst.max_abs_error:.1e} against {worst.reference}, tolerance {worst.tolerance:g}",
        framework=FrameworkParity(
            reference=worst.reference,
            steps=worst.steps,
            max_abs_error=worst.max_abs_error,
            tolerance=worst.tolerance,
        ),
    )


def _excess(parity: ParitySummary) -> float:
    return parity.max_abs_error - parity.tolerance


def _of_quantized(bundle: Bundle, graph: GraphSpec, engine: str) -> Parity:
    seen = [v for v in bundle.manifest.verification if v.graph == graph.name]
    if not seen:
        return _unknown("no verification; run `crystaledge verify`")
    here = [v for v in seen if v.engine == engine]
    if not here:
        return _unknown(f"verified in {seen[0].engine}, not in {engine}; run `crystaledge verify`")
    if not is_of_these_bytes(bundle, here[0]):
        return _unknown("verified with other bytes; run `crystaledge verify` again")
    record = verification_record(bundle, here[0])
    original = bundle.graph(graph.derived_from)
    if (record.reference, record.reference_sha256) != (original.name, sha256_of(bundle.graph_bytes(original))):
        return _unknown("verified against another original; run `crystaledge verify` again")
    return _over_time(record) if isinstance(record, VerificationRecord) else _on_images(record)


def _over_time(record: VerificationRecord) -> Parity:
    mean, p01 = min(record.state.cosine_mean), min(record.state.cosine_p01)
    horizon, sequences = max(record.checked_steps), record.verified_on.sequences
    return Parity(
        standing=Standing.PASSED if record.passed else Standing.FAILED,
        says=f"cosine {mean:.4f}, 1st percentile {p01:.4f} at worst in {horizon} steps of {sequences} sequences",
        closed_loop=ClosedLoopParity(
            horizon=horizon,
            sequences=sequences,
            cosine_mean=mean,
            cosine_p01=p01,
            max_abs_error=max(max(trace.max_abs) for trace in record.tensors),
        ),
    )


def _on_images(record: ImageVerificationRecord[Any, Any]) -> Parity:
    shown = [f"{one.what} {one.measured:.4g}" for one in record.demands()]
    return Parity(
        standing=Standing.PASSED if record.passed else Standing.FAILED,
        says=f"{', '.join(shown)} in {record.verified_on.sequences} images",
        images=ImageParity(
            images=record.verified_on.sequences,
            map_error=max(one.error for one in record.map_errors),
            max_abs_error=max(max(trace.max_abs) for trace in record.tensors),
        ),
    )


def _unknown(says: str) -> Parity:
    return Parity(standing=Standing.NOT_VERIFIED, says=says)
