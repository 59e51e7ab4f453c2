"""From a bundle's graph to its running TensorRT engine on this device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crystaledge.board import NONE, read_board
from crystaledge.engine.base import Engine
from crystaledge.engine.trt.cuda import Cuda, DeviceFacts, HostMemory
from crystaledge.engine.trt.cuda_python import CudaPython
from crystaledge.engine.trt.engine import TensorRtEngine
from crystaledge.engine.trt.flavour import Flavour, load_module
from crystaledge.engine.trt.sidecar import ANY, BuiltPrecision, Fingerprint, engine_path, read_engine, read_sidecar
from crystaledge.errors import BundleError, MissingExtraError
from crystaledge.extras import load
from crystaledge.files import sha256_of
from crystaledge.manifest.model import GraphSpec, Precision

STRONGLY_TYPED = "STRONGLY_TYPED"


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRtOptions:
    """How an engine is opened."""

    engines: Path
    """Folder that `build` wrote to."""
    precision: BuiltPrecision | None = None
    """None takes that of the graph."""
    policy: HostMemory | None = None
    """None takes what suits the board."""


def open_tensorrt(graph: GraphSpec, model: bytes, flavour: Flavour, options: TensorRtOptions) -> Engine:
    """Open the engine that was built from a graph, on the first CUDA device.

    Raises:
        MissingExtraError: TensorRT or the CUDA bindings are missing.
        DeviceError: there is no driver or no device.
        BundleError: there is no engine, or it was built for something else.
        EngineError: TensorRT refuses it.
    """
    module, cuda = load_module(flavour), open_cuda()
    precision = options.precision or built_precision(graph)
    path = engine_path(options.engines, graph.name, precision, flavour)
    if not path.is_file():
        msg = f"There is no engine {path}; build it here with `crystaledge build --backend {flavour.value}`."
        raise BundleError(msg)
    here = fingerprint_of(
        graph,
        model,
        precision=precision,
        flavour=flavour,
        version=module.__version__,
        device=cuda.facts() if flavour is Flavour.TENSORRT else None,
        flags=read_sidecar(path).fingerprint.flags,
    )
    plan = read_engine(path, here)
    return TensorRtEngine(graph, plan, flavour=flavour, module=module, cuda=cuda, policy=options.policy)


def open_cuda() -> Cuda:
    """The first CUDA device, through whichever bindings are installed.

    Raises:
        MissingExtraError: neither is.
        DeviceError: there is no driver or no device.
    """
    try:
        return CudaPython()
    except MissingExtraError as missing:
        try:
            made = load("crystaledge.engine.trt.cuda_pycuda:PyCuda", extra="cuda", purpose="Using a CUDA device")
        except MissingExtraError:
            raise missing from None
        cuda: Cuda = made()  # type: ignore[operator]
        return cuda


def built_precision(graph: GraphSpec) -> BuiltPrecision:
    """The precision that a graph has by itself."""
    return BuiltPrecision.INT8 if graph.precision is Precision.INT8 else BuiltPrecision.FLOAT32


def fingerprint_of(
    graph: GraphSpec,
    model: bytes,
    *,
    precision: BuiltPrecision,
    flavour: Flavour,
    version: str,
    device: DeviceFacts | None,
    flags: tuple[str, ...],
) -> Fingerprint:
    """What an engine of that graph depends on here.

    Args:
        model: the bundle's ONNX file.
        device: None for an engine that is not tied to one.
    """
    return Fingerprint(
        graph=graph.name,
        onnx_sha256=sha256_of(model),
        precision=precision,
        backend=flavour,
        tensorrt=version,
        device=ANY if device is None else device.name,
        compute_capability=ANY if device is None else device.compute_capability,
        driver=ANY if device is None else device.driver,
        l4t=ANY if device is None else (read_board().l4t or NONE),
        profiles=graph.batch.buckets,
        flags=flags,
    )
