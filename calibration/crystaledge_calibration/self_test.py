"""The self-test on a device: golden sequences through the engine that was built, state and all. Needs numpy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, update_bundle
from crystaledge.engine.base import Engine
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.files import sha256_of
from crystaledge.jsonio import Bounds, dumps
from crystaledge.manifest.model import FileRole, GraphSpec, Sha256, VerificationSummary
from crystaledge.tracks.stepper import Stepper
from crystaledge.tracks.store import StateStore
from crystaledge_calibration.golden import Golden, read_golden

Array = NDArray[np.float32]
SELF_TEST_VERSION = 1
_BROKEN = 1e30
"""JSON has no infinity."""
LEAST_COSINE: Mapping[BuiltPrecision, float] = {
    BuiltPrecision.FLOAT32: 0.99999,
    BuiltPrecision.FLOAT16: 0.9999,
    BuiltPrecision.INT8: 0.99,
}
"""Of the state with the golden one, at every step of every sequence; for int8 what the closed-loop gate demands on
average."""


MOST_ERROR: Mapping[BuiltPrecision, float] = {
    BuiltPrecision.FLOAT32: 1e-3,
    BuiltPrecision.FLOAT16: 5e-2,
    BuiltPrecision.INT8: 0.5,
}
"""Of any output at any step: a cosine sees neither a wrong scale nor a wrong head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestRecord:
    """An engine against the golden sequences, in closed loop, with the states where the runtime keeps them."""

    schema_version: Annotated[int, Bounds(SELF_TEST_VERSION, SELF_TEST_VERSION)]
    graph: str
    graph_sha256: Sha256
    engine: str
    engine_sha256: Sha256 | None
    precision: BuiltPrecision
    steps: int
    sequences: int
    buckets: tuple[int, ...]
    """Rows that were run; each bucket has kernels of its own."""
    state_cosine: tuple[float, ...]
    """Least over sequences and buckets, at each step."""
    max_abs_error: tuple[tuple[str, float], ...]
    """By output, over everything."""
    least_cosine: float
    most_error: float
    """What was demanded."""
    passed: bool
    sentence: str


def self_test(
    bundle: Bundle,
    graph: GraphSpec,
    engine: Engine,
    *,
    precision: BuiltPrecision,
    label: str,
    engine_sha256: str | None,
) -> SelfTestRecord:
    """Replay the golden sequences in every bucket, each time with the tracks in another order.

    Args:
        label: of the engine, as `EngineOptions.label` gives it.
        engine_sha256: of its file; None where it runs the graph's file itself.

    Raises:
        BundleError: the bundle has no golden sequences.
        EngineError: the engine fails.
    """
    golden, errors, cosines = read_golden(bundle, graph), dict[str, float](), []
    for bucket in graph.batch.buckets:
        wanted = _repeated(golden, bucket)
        found = _stepped(graph, engine, wanted)
        cosines.append(_state_cosine(graph, wanted.outputs, found))
        for name, values in wanted.outputs.items():
            error = float(np.abs(found[name] - values).max())
            errors[name] = max(errors.get(name, 0.0), error if np.isfinite(error) else _BROKEN)
    cosine = np.concatenate(cosines, axis=1)
    least, most = LEAST_COSINE[precision], MOST_ERROR[precision]
    passed = bool(cosine.min() >= least and max(errors.values()) <= most)
    return SelfTestRecord(
        schema_version=SELF_TEST_VERSION,
        graph=graph.name,
        graph_sha256=sha256_of(bundle.graph_bytes(graph)),
        engine=label,
        engine_sha256=engine_sha256,
        precision=precision,
        steps=cosine.shape[0],
        sequences=golden.shape[1],
        buckets=graph.batch.buckets,
        state_cosine=tuple(cosine.min(axis=1).tolist()),
        max_abs_error=tuple(errors.items()),
        least_cosine=least,
        most_error=most,
        passed=passed,
        sentence=_sentence(graph, label, cosine, errors, precision, passed=passed),
    )


def keep_self_test(bundle: Bundle, record: SelfTestRecord) -> Bundle:
    """Write a record into the bundle, in the place of an earlier one of the same graph and engine."""
    path = f"records/self-test.{record.graph}.{record.engine}.json"
    summary = VerificationSummary(
        graph=record.graph,
        graph_sha256=record.graph_sha256,
        engine=record.engine,
        engine_sha256=record.engine_sha256,
        horizon=record.steps,
        sequences=record.sequences,
        passed=record.passed,
        sentence=record.sentence,
        record=path,
    )
    others = (v for v in bundle.manifest.verification if (v.graph, v.engine) != (record.graph, record.engine))
    manifest = replace(bundle.manifest, verification=(*others, summary))
    return update_bundle(bundle, manifest, (Part(path, FileRole.SELF_TEST, dumps(record).encode()),))


def _repeated(golden: Golden, rows: int) -> Golden:
    """The golden sequences as often as it takes for so many tracks, in an order that belongs to that number."""
    order = np.random.default_rng(rows).permutation(np.arange(rows) % golden.shape[1])
    sides = ({name: values[:, order] for name, values in side.items()} for side in (golden.observed, golden.outputs))
    return Golden(*sides)


def _stepped(graph: GraphSpec, engine: Engine, golden: Golden) -> dict[str, Array]:
    """Outputs `(T, B, ...)` by name, through the stepper and the engine's own state memory."""
    steps, tracks = golden.shape
    store = StateStore(graph.states, memory=engine.state_memory)
    stepper = Stepper(engine, store)
    for track in range(tracks):
        store.create(track)
    kept: dict[str, list[Array]] = {name: [] for name in golden.outputs}
    for t in range(steps):
        staged = stepper.stage(tracks)
        for name, rows in golden.observed.items():
            staged[name][:tracks] = rows[t]
        outputs = stepper.advance(range(tracks))
        for name, values in kept.items():
            values.append(outputs[name].copy())
    return {name: np.stack(values) for name, values in kept.items()}


def _state_cosine(graph: GraphSpec, golden: Mapping[str, Array], found: Mapping[str, Array]) -> NDArray[np.float64]:
    """`(T, B)`: cosine of all states together, of all outputs where there is none; 0 where one is not finite."""
    names = [pair.output for pair in graph.states] or [spec.name for spec in graph.outputs]
    a, b = (
        np.concatenate([side[name].reshape(*side[name].shape[:2], -1) for name in names], axis=2).astype(np.float64)
        for side in (golden, found)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = np.sum(a * b, axis=2) / (np.linalg.norm(a, axis=2) * np.linalg.norm(b, axis=2))
    result: NDArray[np.float64] = np.where(np.isfinite(cosine), cosine, 0.0)
    return result


def _sentence(
    graph: GraphSpec,
    label: str,
    cosine: NDArray[np.float64],
    errors: Mapping[str, float],
    precision: BuiltPrecision,
    *,
    passed: bool,
) -> str:
    worst = max(errors, key=lambda name: errors[name])
    shown = (
        f"cosine of the state with the golden one at least {cosine.min():.6f}, largest error {errors[worst]:.2g} in "
        f"{worst!r}, in {cosine.shape[0]} steps and {len(graph.batch.buckets)} buckets"
    )
    if passed:
        return f"{graph.name} in {label} keeps its memory: {shown}."
    low = (cosine < LEAST_COSINE[precision]).any(axis=1)
    since = f" at step {1 + int(np.argmax(low))}" if low.any() else ""
    demanded = f"{LEAST_COSINE[precision]:g} and {MOST_ERROR[precision]:g} are demanded"
    return f"{graph.name} in {label} fails the golden sequences{since}: {shown}; {demanded}."
