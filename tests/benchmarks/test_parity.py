"""What counts as passed: these bytes, this engine, this original, and a record that says what its summary says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from crystaledge.bundle import Bundle
from crystaledge.errors import BundleError
from crystaledge.files import sha256_of
from crystaledge_benchmarks.bench_record import Parity, Standing
from crystaledge_benchmarks.parity import parity_of
from crystaledge_calibration.records import VerificationRecord
from tests.benchmarks.builders import ENGINE, INT8, quantized_bundle, verification, with_verification
from tests.support.messages import message_of

OTHER = sha256_of(b"another graph")


def of_int8(bundle: Bundle) -> Parity:
    return parity_of(bundle, bundle.graph(INT8), engine=ENGINE)


def verified(bundle: Bundle) -> VerificationRecord:
    graph = bundle.graph(INT8)
    return verification(graph, sha256_of(bundle.graph_bytes(graph)))


def with_float_error(bundle: Bundle, error: float) -> Bundle:
    parity = tuple(replace(p, max_abs_error=error) for p in bundle.manifest.parity)
    return replace(bundle, manifest=replace(bundle.manifest, parity=parity))


def test_numbers_of_both_kinds_of_parity(tmp_path: Path) -> None:
    bundle = quantized_bundle(tmp_path / "b")
    known = parity_of(bundle, bundle.graph("step"), engine=ENGINE)
    assert known.standing is Standing.PASSED and known.max_abs_error == 1e-7
    found, record = of_int8(bundle), verified(bundle)
    assert found.standing is Standing.PASSED and found.closed_loop is not None
    assert found.closed_loop.cosine_mean == min(record.state.cosine_mean)
    assert found.closed_loop.cosine_p01 == min(record.state.cosine_p01)
    assert found.closed_loop.horizon == 1000 and found.closed_loop.sequences == 128
    assert found.max_abs_error == max(max(trace.max_abs) for trace in record.tensors)


def test_float32_fails_beyond_its_tolerance_and_is_unknown_without_parity(tmp_path: Path) -> None:
    bundle = with_float_error(quantized_bundle(tmp_path / "b"), 1e-4)
    assert parity_of(bundle, bundle.graph("step"), engine=ENGINE).standing is Standing.FAILED
    bare = replace(bundle, manifest=replace(bundle.manifest, parity=()))
    assert parity_of(bare, bare.graph("step"), engine=ENGINE).standing is Standing.NOT_VERIFIED


def test_a_failed_verification_keeps_its_numbers(tmp_path: Path) -> None:
    found = of_int8(quantized_bundle(tmp_path / "b", verified=False))
    assert found.standing is Standing.FAILED and found.closed_loop is not None


def test_no_verification(tmp_path: Path) -> None:
    found = of_int8(quantized_bundle(tmp_path / "b", verified=None))
    assert found.standing is Standing.NOT_VERIFIED and "crystaledge verify" in found.says


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda record: replace(record, graph_sha256=OTHER), "other bytes"),
        (lambda record: replace(record, engine="tensorrt"), "verified in tensorrt"),
        (lambda record: replace(record, reference_sha256=OTHER), "another original"),
    ],
)
def test_a_verification_of_something_else_does_not_count(
    tmp_path: Path, spoil: Callable[[VerificationRecord], VerificationRecord], said: str
) -> None:
    bundle = quantized_bundle(tmp_path / "b")
    found = of_int8(with_verification(bundle, spoil(verified(bundle))))
    assert found.standing is Standing.NOT_VERIFIED and said in found.says
    assert found.max_abs_error is None


def test_agreeing_with_a_wrong_original_is_no_merit(tmp_path: Path) -> None:
    found = of_int8(with_float_error(quantized_bundle(tmp_path / "b"), 1e-4))
    assert found.standing is Standing.NOT_VERIFIED and "'step' has not passed" in found.says


def test_a_summary_that_contradicts_its_record_is_refused(tmp_path: Path) -> None:
    bundle = quantized_bundle(tmp_path / "b", verified=False)
    (summary,) = bundle.manifest.verification
    lying = replace(bundle, manifest=replace(bundle.manifest, verification=(replace(summary, passed=True),)))
    with pytest.raises(BundleError, match="contradict") as raised:
        of_int8(lying)
    message_of(raised)


def test_a_record_that_lacks_a_checked_step_is_refused(tmp_path: Path) -> None:
    bundle = quantized_bundle(tmp_path / "b")
    record = verified(bundle)
    short = replace(record, state=replace(record.state, cosine_min=record.state.cosine_min[:-1]))
    with pytest.raises(BundleError, match="checked steps") as raised:
        of_int8(with_verification(bundle, short))
    message_of(raised)
