"""One builder for TensorRT 8.6, 10.x, 11.x and TensorRT-RTX: from an ONNX file to an engine file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import onnx
from google.protobuf.message import DecodeError

from crystaledge.engine.trt.flavour import Flavour, generation_of
from crystaledge.engine.trt.logger import Log, log_of
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.manifest.model import GraphSpec
from crystaledge_export.errors import BuildError
from crystaledge_export.trt.monitor import Monitor, interruptible
from crystaledge_export.trt.surface import (
    TrtBuilder,
    TrtBuilderModule,
    TrtConfig,
    TrtNamingError,
    TrtNetwork,
    TrtParser,
    TrtParserError,
)

_SILENTLY_SIGNED = "Defaulting to INT8 instead"
"""Said of an unsigned zero point: the engine would be built, with other ranges than the file has."""
_FIRST_WITHOUT_BATCH_FLAG = 10


Profiles = tuple[tuple[int, int, int], ...]
"""Least, usual and most rows of each optimization profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """One engine to build."""

    graph: GraphSpec
    model: bytes
    """The ONNX file, typed as the engine is to compute."""
    precision: BuiltPrecision
    flavour: Flavour
    controls: tuple[str, ...] = ()
    """Inputs of one value a row that the file has beside those of the manifest, such as a server's START."""
    profiles: Profiles | None = None
    """None for one of fixed size a bucket."""
    timing_cache: bytes | None = None
    """What an earlier build on this device has measured; None for none. TensorRT-RTX has no use for it."""
    workspace_bytes: int | None = None
    say: Callable[[str, float], None] = lambda phase, share: None
    """Told how far a phase is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A built engine."""

    data: bytes
    flags: tuple[str, ...]
    """Network and builder flags that were set, by name."""
    seconds: float
    timing_cache: bytes | None
    warnings: tuple[str, ...]


def build_plan(module: TrtBuilderModule, request: BuildRequest) -> Plan:
    """Build an engine with one optimization profile for each bucket of tracks.

    Raises:
        BuildError: TensorRT does not take the file, or cannot build it; the message names the ONNX node.
    """
    log = log_of(module.ILogger)
    log.clear()
    started = time.perf_counter()
    builder = _builder(module, log)
    bits, flags = _network_flags(module)
    network = builder.create_network(bits)
    if network is None:
        msg = f"TensorRT {module.__version__} makes no network: {log.reason()}."
        raise BuildError(msg)
    _parse(module, network, request, log)
    config = builder.create_builder_config()
    flags += _builder_flags(module, config, request.precision)
    _add_profiles(builder, config, network, request)
    monitor = _prepare(module, config, request)
    log.clear()  # a timing cache that does not fit is no reason for anything
    with interruptible(monitor):
        built = builder.build_serialized_network(network, config)
    if built is None:
        msg = f"TensorRT {module.__version__} cannot build {request.graph.name!r}: {log.reason()}"
        raise BuildError(msg)
    return Plan(
        data=bytes(built),
        flags=flags,
        seconds=time.perf_counter() - started,
        timing_cache=_timing_cache(config, request),
        warnings=tuple(dict.fromkeys(log.warnings)),
    )


def _builder(module: TrtBuilderModule, log: Log) -> TrtBuilder:
    if not hasattr(module, "Builder"):
        msg = f"This TensorRT {module.__version__} runs engines and builds none; install the whole of it."
        raise BuildError(msg)
    try:
        return module.Builder(log.native)
    except TypeError as error:  # what 8.6 to 10.3 raise where the driver is no good
        msg = f"TensorRT {module.__version__} makes no builder here: {log.reason()}; is the driver new enough?"
        raise BuildError(msg) from error


def _network_flags(module: TrtBuilderModule) -> tuple[int, tuple[str, ...]]:
    """Strong typing where it can be had: then the types in the file are the engine's."""
    kinds = module.NetworkDefinitionCreationFlag
    names = []
    if generation_of(module)[0] < _FIRST_WITHOUT_BATCH_FLAG and hasattr(kinds, "EXPLICIT_BATCH"):
        names.append("EXPLICIT_BATCH")
    if hasattr(kinds, "STRONGLY_TYPED"):
        names = ["STRONGLY_TYPED"]
    return sum(1 << int(getattr(kinds, name)) for name in names), tuple(names)


def types_weakly(module: TrtBuilderModule) -> bool:
    """Whether the builder, within flags, chooses the types (8.x)."""
    return not hasattr(module.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")


def _builder_flags(module: TrtBuilderModule, config: TrtConfig, precision: BuiltPrecision) -> tuple[str, ...]:
    """What is float32 in the file is computed in float32, not in TF32's ten bits.

    Where typing is weak (8.x), 8 bits have to be allowed beside standing in the file, and two steps
    may share a profile only by a feature that must be asked for.

    Raises:
        BuildError: float16 is wanted where typing is weak: it would be allowed to gates and state too.
    """
    config.clear_flag(module.BuilderFlag.TF32)
    if not types_weakly(module):
        return ("no TF32",)
    if precision is BuiltPrecision.FLOAT16:
        msg = (
            f"TensorRT {module.__version__} types weakly: float16, once allowed, is allowed to gates and state too. "
            "Build float32 or int8 there."
        )
        raise BuildError(msg)
    config.set_preview_feature(module.PreviewFeature.PROFILE_SHARING_0806, True)
    if precision is BuiltPrecision.INT8:
        config.set_flag(module.BuilderFlag.INT8)
        return ("no TF32", "PROFILE_SHARING_0806", "INT8")
    return ("no TF32", "PROFILE_SHARING_0806")


def _parse(module: TrtBuilderModule, network: TrtNetwork, request: BuildRequest, log: Log) -> None:
    parser = module.OnnxParser(network, log.native)
    sound = parser.parse(request.model)
    complaints = list(_complaints(parser, request.model))
    complaints += [text for text in log.warnings if _SILENTLY_SIGNED in text]
    if sound and not complaints and network.num_layers:
        return
    told = "; ".join(" ".join(complaint.split()) for complaint in complaints) or f"it has no layers ({log.reason()})"
    msg = f"TensorRT {module.__version__} does not take the ONNX file of {request.graph.name!r}: {told}"
    raise BuildError(msg)


def _complaints(parser: TrtParser, model: bytes) -> Iterator[str]:
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        name, operator = _node_of(error, model)
        reason = error.desc()
        if reason in ("", "false"):  # all that is said of an operator that TensorRT does not have
            reason = "the operator is not supported"
        yield f"node {name!r} ({operator}): {reason}" if name else reason


def _node_of(error: TrtParserError, model: bytes) -> tuple[str, str]:
    """(name, operator) of the ONNX node that an error means; empty where it means none."""
    if isinstance(error, TrtNamingError) and error.node_name():
        return error.node_name(), error.node_operator()
    try:
        nodes = onnx.load_from_string(model).graph.node
    except DecodeError:
        return "", ""
    if not 0 <= error.node() < len(nodes):
        return "", ""
    node = nodes[error.node()]
    return node.name or node.output[0], node.op_type


def _add_profiles(builder: TrtBuilder, config: TrtConfig, network: TrtNetwork, request: BuildRequest) -> None:
    """TensorRT would not say what is wrong with a profile, so it is asked here."""
    graph = request.graph
    rows = {spec.name: spec.row_shape for spec in graph.inputs} | dict.fromkeys(request.controls, (1,))
    found = {network.get_input(i).name: tuple(network.get_input(i).shape) for i in range(network.num_inputs)}
    expected = {name: (-1, *row) for name, row in rows.items()}
    if found != expected:
        msg = f"The ONNX file of {graph.name!r} has the inputs {found}; the manifest promises {expected}."
        raise BuildError(msg)
    for sizes in request.profiles or tuple((bucket,) * 3 for bucket in graph.batch.buckets):
        profile = builder.create_optimization_profile()
        for name, row in rows.items():
            least, usual, most = ((size, *row) for size in sizes)
            profile.set_shape(name, least, usual, most)
        if config.add_optimization_profile(profile) < 0:
            msg = f"TensorRT does not take a profile of {sizes[0]} to {sizes[2]} rows for {graph.name!r}."
            raise BuildError(msg)


def _prepare(module: TrtBuilderModule, config: TrtConfig, request: BuildRequest) -> Monitor | None:
    if request.workspace_bytes is not None:
        config.set_memory_pool_limit(module.MemoryPoolType.WORKSPACE, request.workspace_bytes)
    if request.flavour is Flavour.TENSORRT:
        _start_timing(config, request.timing_cache or b"")
    if not hasattr(module, "IProgressMonitor"):
        return None
    monitor = Monitor(module.IProgressMonitor, request.say)
    config.progress_monitor = monitor.native
    return monitor


def _start_timing(config: TrtConfig, known: bytes) -> None:
    """Begin with what earlier builds measured, or with nothing where that is of another device or version."""
    for data in dict.fromkeys((known, b"")):
        cache = config.create_timing_cache(data)
        if cache is not None and config.set_timing_cache(cache, False):
            return


def _timing_cache(config: TrtConfig, request: BuildRequest) -> bytes | None:
    cache = config.get_timing_cache() if request.flavour is Flavour.TENSORRT else None
    return None if cache is None else bytes(cache.serialize())
