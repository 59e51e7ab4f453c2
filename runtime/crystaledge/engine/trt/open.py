"""From a bundle's graph to its running TensorRT engine on this device."""

from __future__ import annotations

from contextlib import ExitStack

from crystaledge.board import read_board
from crystaledge.engine.base import Engine
from crystaledge.engine.select import EngineRequest
from crystaledge.engine.trt.built import built_precision
from crystaledge.engine.trt.cuda import Cuda, DeviceFacts
from crystaledge.engine.trt.cuda_python import CudaPython
from crystaledge.engine.trt.engine import TensorRtEngine
from crystaledge.engine.trt.flavour import Flavour, load_module
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.engine.trt.sidecar import ANY, Fingerprint, engine_folder, engine_path, read_engine
from crystaledge.engine.trt.surface import TrtModule
from crystaledge.errors import MissingExtraError
from crystaledge.extras import load
from crystaledge.files import sha256_of
from crystaledge.manifest.model import GraphSpec


def open_tensorrt(request: EngineRequest) -> Engine:
    """Open the engine that was built from a graph, on the first CUDA device.

    Raises:
        MissingExtraError: TensorRT or the CUDA bindings are missing.
        DeviceError: there is no driver or no device.
        BundleError: there is no engine, or it was built for something else.
        EngineError: TensorRT refuses it.
    """
    flavour = Flavour(request.options.backend.value)
    module, cuda = load_module(flavour), open_cuda()
    with ExitStack() as undo:
        undo.callback(cuda.close)
        engine = _open(request, flavour, module, cuda)
        undo.pop_all()
    return engine


def _open(request: EngineRequest, flavour: Flavour, module: TrtModule, cuda: Cuda) -> Engine:
    graph, options = request.graph, request.options
    precision = options.precision or built_precision(graph)
    path = engine_path(options.engines or engine_folder(request.bundle), graph.name, precision, flavour)
    here = fingerprint_of(
        graph,
        request.model,
        precision=precision,
        flavour=flavour,
        version=module.__version__,
        device=cuda.facts() if flavour is Flavour.TENSORRT else None,
    )
    plan = read_engine(path, here)
    return TensorRtEngine(graph, plan, flavour=flavour, module=module, cuda=cuda, policy=options.host_memory)


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


def fingerprint_of(
    graph: GraphSpec,
    model: bytes,
    *,
    precision: BuiltPrecision,
    flavour: Flavour,
    version: str,
    device: DeviceFacts | None,
    flags: tuple[str, ...] = (),
    rules: int = 0,
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
        l4t=ANY if device is None else read_board().l4t,
        profiles=graph.batch.buckets,
        flags=flags,
        rules=rules,
    )
