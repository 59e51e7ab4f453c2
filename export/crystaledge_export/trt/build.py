"""Engines of a bundle: which to build, whether they are up to date, and where they are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import onnx

from crystaledge.bundle import Bundle
from crystaledge.engine.trt.built import built_precision
from crystaledge.engine.trt.cuda import DeviceFacts
from crystaledge.engine.trt.flavour import Flavour
from crystaledge.engine.trt.open import fingerprint_of
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.engine.trt.sidecar import (
    SIDECAR_VERSION,
    Fingerprint,
    Sidecar,
    differences,
    engine_path,
    read_sidecar,
    sidecar_path,
    sidecar_text,
)
from crystaledge.errors import BundleError, UsageError
from crystaledge.files import sha256_of, write_atomic
from crystaledge.manifest.model import GraphSpec, Precision, Target
from crystaledge_export.trt.builder import BuildRequest, Plan, build_plan
from crystaledge_export.trt.half import HALF_RULES, half_graph
from crystaledge_export.trt.surface import TrtBuilderModule

TIMING_CACHE = "timing.cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """With what engines are built, and for which device."""

    module: TrtBuilderModule
    flavour: Flavour
    device: DeviceFacts | None
    """None for engines that are finished on their target."""
    folder: Path
    say: Callable[[str, float], None] = lambda phase, share: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An engine file, as it is after a build."""

    path: Path
    sidecar: Sidecar
    fresh: bool
    """Built now; else it was up to date."""
    reasons: tuple[str, ...]
    """Why an earlier engine had to be built again."""
    warnings: tuple[str, ...]


def engines_of(
    bundle: Bundle, name: str | None, precision: BuiltPrecision | None
) -> list[tuple[GraphSpec, BuiltPrecision]]:
    """The engines that are meant: of one graph or all that are for TensorRT, in one precision or each that they have.

    Raises:
        UsageError: a graph that is not for TensorRT is named, or no graph has that precision.
    """
    graphs = [bundle.graph(name)] if name is not None else list(bundle.manifest.graphs)
    fit = [graph for graph in graphs if graph.target is not Target.CPU]
    if not fit:
        which = f"The graph {name!r} was" if name is not None else f"All graphs of {bundle.path} were"
        msg = f"{which} laid out for ONNX Runtime's CPU kernels; name another one, or `quantize --target tensorrt`."
        raise UsageError(msg)
    every = [(graph, built_precision(graph)) for graph in fit]
    every += [(graph, BuiltPrecision.FLOAT16) for graph in fit if graph.precision is Precision.FLOAT32]
    chosen = [one for one in every if precision in (None, one[1])]
    if not chosen:
        msg = f"No graph of {bundle.path} gives an engine in {precision.value if precision else 'any precision'}."
        raise UsageError(msg)
    return chosen


def build_engine(
    bundle: Bundle, graph: GraphSpec, precision: BuiltPrecision, workshop: Workshop, *, force: bool = False
) -> Built:
    """Build one engine where it is missing, does not fit, or `force` says so.

    Raises:
        BuildError: TensorRT does not take the graph.
    """
    path = engine_path(workshop.folder, graph.name, precision, workshop.flavour)
    old = _old(path)
    model = bundle.graph_bytes(graph)

    def here(flags: tuple[str, ...]) -> Fingerprint:
        return fingerprint_of(
            graph,
            model,
            precision=precision,
            flavour=workshop.flavour,
            version=workshop.module.__version__,
            device=workshop.device,
            flags=flags,
            rules=HALF_RULES if precision is BuiltPrecision.FLOAT16 else 0,
        )

    if old is not None:
        reasons = _reasons(path, old, here(old.fingerprint.flags))
    else:
        reasons = ("its sidecar cannot be read",) if path.is_file() else ()
    if old is not None and not reasons and not force:
        return Built(path=path, sidecar=old, fresh=False, reasons=(), warnings=())
    cache = workshop.folder / TIMING_CACHE
    plan = build_plan(
        workshop.module,
        BuildRequest(
            graph=graph,
            model=_typed(model, graph, precision),
            precision=precision,
            flavour=workshop.flavour,
            timing_cache=cache.read_bytes() if cache.is_file() else None,
            say=workshop.say,
        ),
    )
    sidecar = _sidecar(plan, here(plan.flags))
    _write(path, plan, sidecar, cache)
    return Built(path=path, sidecar=sidecar, fresh=True, reasons=reasons, warnings=plan.warnings)


def _old(path: Path) -> Sidecar | None:
    try:
        return read_sidecar(path) if path.is_file() else None
    except BundleError:
        return None


def _reasons(path: Path, old: Sidecar, here: Fingerprint) -> tuple[str, ...]:
    changed = () if sha256_of(path.read_bytes()) == old.engine_sha256 else ("the file is not what its sidecar says",)
    rules = () if old.fingerprint.rules == here.rules else ("float16 graphs are made by other rules now",)
    return (*changed, *differences(old.fingerprint, here), *rules)


def _typed(model: bytes, graph: GraphSpec, precision: BuiltPrecision) -> bytes:
    if precision is not BuiltPrecision.FLOAT16:
        return model
    data: bytes = half_graph(onnx.load_from_string(model), graph).SerializeToString(deterministic=True)
    return data


def _sidecar(plan: Plan, fingerprint: Fingerprint) -> Sidecar:
    return Sidecar(
        schema_version=SIDECAR_VERSION,
        package_version=version("crystaledge"),
        engine_sha256=sha256_of(plan.data),
        engine_bytes=len(plan.data),
        build_seconds=plan.seconds,
        fingerprint=fingerprint,
    )


def _write(path: Path, plan: Plan, sidecar: Sidecar, cache: Path) -> None:
    """The engine first: a sidecar that does not fit its engine is found out, an engine without one is not used."""
    write_atomic(path, plan.data)
    write_atomic(sidecar_path(path), sidecar_text(sidecar).encode())
    if plan.timing_cache is not None:
        write_atomic(cache, plan.timing_cache)
