"""Bundles with quantized graphs and believable records, made without quantizing or verifying anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, update_bundle
from crystaledge.files import sha256_of
from crystaledge.jsonio import dumps
from crystaledge.manifest.model import FileRole, GraphSpec, Precision, Target, VerificationSummary
from crystaledge_benchmarks.bench_record import (
    BENCH_VERSION,
    BenchRecord,
    BenchRow,
    Caller,
    ClosedLoopParity,
    Comparison,
    FrameworkParity,
    Parity,
    Speed,
    Standing,
)
from crystaledge_benchmarks.machine import Machine
from crystaledge_calibration.records import (
    RECORD_VERSION,
    ByteAccount,
    CalibrationRecord,
    ChannelClipping,
    DecisionParity,
    Finding,
    Interval,
    Limits,
    NodeRecord,
    RangeRecord,
    RecipeStep,
    SequenceSetRecord,
    SequenceSource,
    StateTrace,
    TensorTrace,
    VerificationRecord,
)
from tests.support.bundles import write_tiny_bundle

INT8 = "step-int8-tensorrt"
ENGINE = "onnxruntime"
STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
FILE_HASH = sha256_of(b"a photograph")


def add_int8(bundle: Bundle, *, name: str = INT8, verified: bool | None = True, calibrated: bool = True) -> Bundle:
    """Add a copy of the float graph that says it is INT8.

    Args:
        verified: passed, failed, or None for not verified.
    """
    original = bundle.graph()
    spec = replace(
        original,
        name=name,
        file=f"graphs/{name}.onnx",
        precision=Precision.INT8,
        target=Target.TENSORRT,
        derived_from=original.name,
    )
    data = bundle.graph_bytes(original)
    parts = [Part(spec.file, FileRole.GRAPH, data)]
    summaries = bundle.manifest.verification
    if calibrated:
        parts.append(_record(f"records/calibrate.{name}.json", FileRole.CALIBRATION, calibration(spec)))
    if verified is not None:
        record = verification(spec, sha256_of(data), passed=verified)
        path = f"records/verify.{name}.{ENGINE}.json"
        parts.append(_record(path, FileRole.VERIFICATION, record))
        summaries = (*summaries, summary_of(record, path))
    manifest = replace(bundle.manifest, graphs=(*bundle.manifest.graphs, spec), verification=summaries)
    return update_bundle(bundle, manifest, tuple(parts))


def quantized_bundle(path: Path, *, verified: bool | None = True, calibrated: bool = True) -> Bundle:
    """The tiny bundle with an INT8 graph and its records; see `add_int8`."""
    return add_int8(write_tiny_bundle(path), verified=verified, calibrated=calibrated)


def summary_of(record: VerificationRecord, path: str) -> VerificationSummary:
    """What the manifest says of a verification record."""
    return VerificationSummary(
        graph=record.graph,
        graph_sha256=record.graph_sha256,
        engine=record.engine,
        engine_sha256=None,
        horizon=record.checked_steps[-1],
        sequences=record.verified_on.sequences,
        passed=record.passed,
        sentence=record.sentence,
        record=path,
    )


def with_verification(bundle: Bundle, record: VerificationRecord) -> Bundle:
    """Put another verification record of the INT8 graph in the place of the first."""
    (old,) = bundle.manifest.verification
    manifest = replace(bundle.manifest, verification=(summary_of(record, old.record),))
    return update_bundle(bundle, manifest, (_record(old.record, FileRole.VERIFICATION, record),))


def sequence_set(seed: int = 0) -> SequenceSetRecord:
    """Some people's sequences."""
    return SequenceSetRecord(
        source=SequenceSource.IDENTITIES,
        sequences=128,
        steps=64,
        seed=seed,
        too_short=3,
        sha256=sha256_of(f"set {seed}".encode()),
        files=(FILE_HASH, sha256_of(b"another")),
    )


def calibration(graph: GraphSpec) -> CalibrationRecord:
    """A calibration of sixteen nodes, one of which stayed in float32."""
    random = np.random.default_rng(5)
    nodes = tuple(
        NodeRecord(
            node=f"node_Conv_{84 + i}" if i else "<b>node</b> of a $very long$ name /block1/conv/Conv",
            weight="w",
            op="Conv",
            macs=int(random.integers(100, 400_000)),
            precision=Precision.FLOAT32 if i == 3 else Precision.INT8,
            reason="given back to float32 by the precision search" if i == 3 else "int8",
            sensitivity=float(10.0 ** random.uniform(-6, -2.5)),
        )
        for i in range(15)
    )
    ranges = tuple(_range(f"relu_{i}", high=float(random.uniform(1, 30)), state=False) for i in range(10))
    return CalibrationRecord(
        schema_version=RECORD_VERSION,
        graph=graph.name,
        target=Target.TENSORRT,
        calibrated_on=sequence_set(),
        chosen_on=32,
        recipe=(
            *(_step(f"calibrator {name}", taken=not i, loss=3e-3) for i, name in enumerate(("minmax", "entropy"))),
            _step("equalised with migration 0.5", taken=True, loss=2e-3),
            _step("bias corrected", taken=False, loss=2.1e-3),
        ),
        ranges=(*ranges, _range("hidden", high=0.98, state=True)),
        nodes=nodes,
        macs_int8=0.93,
        accounting=(
            ByteAccount(what="weights", float32_bytes=160_000, int8_bytes=41_000),
            ByteAccount(what="scales", float32_bytes=0, int8_bytes=1_200),
            ByteAccount(what="file", float32_bytes=177_500, int8_bytes=66_000),
        ),
    )


def verification(graph: GraphSpec, sha256: str, *, passed: bool = True) -> VerificationRecord:
    """A verification over 1000 steps whose error stops growing, or grows beyond the limit."""
    times = np.log2(np.array(STEPS) + 1.0)
    error = 0.01 * (0.8 + 0.2 * times / times[-1]) * (1.0 if passed else 20.0)
    angle = error**2 / 2.0
    findings = () if passed else (Finding(demand="mean cosine of the state", measured=0.97, limit=0.99, step=64),)
    return VerificationRecord(
        schema_version=RECORD_VERSION,
        graph=graph.name,
        graph_sha256=sha256,
        reference=str(graph.derived_from),
        reference_sha256=sha256,
        engine=ENGINE,
        verified_on=sequence_set(1),
        checked_steps=STEPS,
        tensors=tuple(
            _trace(spec.name, error * scale) for spec, scale in zip(graph.outputs, (3, 1, 9, 0.3), strict=True)
        ),
        state=StateTrace(
            cosine_mean=_numbers(1.0 - angle),
            cosine_p01=_numbers(1.0 - 4 * angle),
            cosine_min=_numbers(1.0 - 9 * angle),
            relative_error=_numbers(error),
        ),
        growth=float(error[-1] / error[4]),
        clipping=(ChannelClipping(tensor="hidden", share=_numbers(np.linspace(0, 0.004, 96) ** 2 * 250)),),
        layers=(),
        decisions=_decisions(),
        limits=Limits(),
        findings=findings,
        fault=None,
        passed=passed,
        sentence=f"{graph.name} keeps its memory." if passed else f"{graph.name} fails at step 64: cosine is 0.97.",
    )


def float_parity(standing: Standing = Standing.PASSED) -> Parity:
    """Of a float32 graph."""
    numbers = FrameworkParity(reference="torch", steps=16, max_abs_error=1e-6, tolerance=1e-5)
    return Parity(standing=standing, says="error 1e-06 against torch", framework=numbers)


def int8_parity(standing: Standing = Standing.PASSED) -> Parity:
    """Of a quantized graph; without numbers where it is not verified."""
    if standing is Standing.NOT_VERIFIED:
        return Parity(standing=standing, says="no verification; run `crystaledge verify`")
    numbers = ClosedLoopParity(horizon=1000, sequences=128, cosine_mean=0.999, cosine_p01=0.99, max_abs_error=0.03)
    return Parity(standing=standing, says="cosine 0.999 at worst", closed_loop=numbers)


def bench_record() -> BenchRecord:
    """A whole record of a float32 graph and an INT8 graph."""
    packages = (("crystaledge", "0.1.0"), ("numpy", "2.0.0"), ("onnxruntime", "1.20.0"))
    machine = Machine(
        cpu="A CPU", cores=2, system="Linux 6 x86_64", python="3.11.7", governor="not readable", packages=packages
    )
    return BenchRecord(
        schema_version=BENCH_VERSION,
        machine=machine,
        engine=ENGINE,
        engine_version="1.20.0",
        threads=1,
        rows=tuple(_row(name, c, tracks) for tracks in (1, 4) for name in ("step", INT8) for c in Caller),
        comparisons=(
            Comparison(
                graph=INT8,
                against="step",
                speed=Speed.SLOWER,
                p50_ratio=1.9,
                difference_ms=0.04,
                low_ms=0.03,
                high_ms=0.05,
            ),
        ),
        not_run=("float16: not run: ONNX Runtime's CPU provider has no float16 kernels",),
        choice=None,
        verdict="no graph passes",
    )


def _row(name: str, caller: Caller, tracks: int) -> BenchRow:
    quantized = name == INT8
    return BenchRow(
        graph=name,
        graph_sha256=sha256_of(name.encode()),
        precision=Precision.INT8 if quantized else Precision.FLOAT32,
        target=Target.TENSORRT if quantized else None,
        caller=caller,
        tracks=tracks,
        calls=100,
        p50_ms=0.04,
        p90_ms=0.05,
        p99_ms=0.06,
        max_ms=0.07,
        file_bytes=1000,
        peak_memory_kb=60_000,
        parity=int8_parity() if quantized else float_parity(),
    )


def _record(path: str, role: FileRole, record: object) -> Part:
    return Part(path, role, dumps(record).encode())


def _range(tensor: str, *, high: float, state: bool) -> RangeRecord:
    low = -high if state else 0.0
    return RangeRecord(
        tensor=tensor,
        state=state,
        low=low,
        high=high,
        amax=0.8 * high,
        calibrator="mse",
        clipped=0.0 if state else 2e-4,
    )


def _step(name: str, *, taken: bool, loss: float) -> RecipeStep:
    return RecipeStep(name=name, taken=taken, loss=loss, cosine_mean=1 - 2 * loss, cosine_p01=1 - 5 * loss)


def _trace(tensor: str, error: np.ndarray) -> TensorTrace:
    return TensorTrace(tensor=tensor, max_abs=_numbers(error), mean_abs=_numbers(error / 12))


def _decisions() -> DecisionParity:
    accepts, rejects = _det(2.0)
    accepts_deployed, rejects_deployed = _det(1.98)
    return DecisionParity(
        sequences=128,
        false_accept_rate=0.001,
        same_match=0.998,
        same_verdict=0.9991,
        same_commit=0.992,
        committed=0.87,
        most_frames_apart=1,
        auc_step=64,
        auc_float=0.9871,
        auc_deployed=0.9868,
        auc_loss=Interval(value=0.0003, low=-0.0002, high=0.0009),
        eer_float=1 / (1 + np.exp(2.0)),
        eer_deployed=1 / (1 + np.exp(1.98)),
        eer_rise=Interval(value=0.0007, low=-0.0011, high=0.0024),
        det_float=(accepts, rejects),
        det_deployed=(accepts_deployed, rejects_deployed),
    )


def _det(separation: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Rates of two logistic score distributions that lie so far apart."""
    threshold = np.linspace(-5.0, 7.0, 80)
    return _numbers(1 / (1 + np.exp(threshold + separation))), _numbers(1 / (1 + np.exp(separation - threshold)))


def _numbers(values: np.ndarray | Sequence[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
