"""Tries one thing in a process of its own: `python -m crystaledge.doctor.probe THING`. TensorRT without a driver
crashes the process that asks it, and a crash must not take the doctor along.

Prints one JSON object: {"health": a `Health`, "part": the `Part` that is missing or null, "detail": str}.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from crystaledge.doctor.check import Health
from crystaledge.doctor.cures import Part
from crystaledge.engine.trt.cuda import Cuda, DeviceFacts
from crystaledge.engine.trt.flavour import Flavour, load_module
from crystaledge.engine.trt.logger import log_of
from crystaledge.engine.trt.open import open_cuda
from crystaledge.engine.trt.surface import TrtModule
from crystaledge.errors import CrystalEdgeError, DeviceError, EngineError, MissingExtraError

_VALUES = 64


def probe_cuda(cuda: Cuda) -> str:
    """Bytes to the device, across it and back."""
    facts = cuda.facts()
    with cuda.current():
        stream = cuda.make_stream()
        sent, came = (cuda.allocate_host(_VALUES, mapped=False) for _ in range(2))
        here, there = cuda.allocate(_VALUES), cuda.allocate(_VALUES)
        sent.array[:] = np.arange(_VALUES)
        cuda.upload(here, sent.array, stream)
        cuda.copy(there, here, _VALUES, stream)
        cuda.download(came.array, there, stream)
        cuda.synchronise(stream)
        right = bool((came.array == sent.array).all())
        free = cuda.free_bytes()
        for pointer in (here, there):
            cuda.free(pointer)
        for block in (sent, came):
            cuda.free_host(block)
        cuda.drop_stream(stream)
    if not right:
        msg = "bytes came back from the device changed"
        raise EngineError(msg)
    return f"{_words(facts)}, {free / 1e9:.1f} GB free; bytes went there and back through {cuda.name}"


def probe_tensorrt(module: TrtModule, cuda: Cuda) -> str:
    """A network of one addition: built, opened, run, compared."""
    with cuda.current():
        plan = _tiny_plan(module)
        log = log_of(module.ILogger)
        runtime = module.Runtime(log.native)
        engine = None if runtime is None else runtime.deserialize_cuda_engine(plan)
        context = None if engine is None else engine.create_execution_context()
        if context is None:
            raise EngineError(log.reason())
        stream = cuda.make_stream()
        x, y = (cuda.allocate_host(4 * _VALUES, mapped=False) for _ in range(2))
        sent, came = cuda.allocate(4 * _VALUES), cuda.allocate(4 * _VALUES)
        x.array.view(np.float32)[:] = np.arange(_VALUES)
        cuda.upload(sent, x.array, stream)
        sound = context.set_tensor_address("x", sent) and context.set_tensor_address("y", came)
        sound = sound and context.execute_async_v3(cuda.handle(stream))
        cuda.download(y.array, came, stream)
        cuda.synchronise(stream)
        right = sound and bool((y.array.view(np.float32) == 2.0 * np.arange(_VALUES)).all())
    if not right:
        msg = f"a tiny engine ran and computed something else ({log.reason()})"
        raise EngineError(msg)
    return f"version {module.__version__}; a tiny engine was built, run and right on {cuda.facts().name}"


def _tiny_plan(module: Any) -> bytes:
    log = log_of(module.ILogger)
    builder = module.Builder(log.native)
    kinds = module.NetworkDefinitionCreationFlag
    name = "STRONGLY_TYPED" if hasattr(kinds, "STRONGLY_TYPED") else "EXPLICIT_BATCH"
    network = builder.create_network(1 << int(getattr(kinds, name)))
    x = network.add_input("x", module.DataType.FLOAT, (_VALUES,))
    y = network.add_elementwise(x, x, module.ElementWiseOperation.SUM).get_output(0)
    y.name = "y"
    network.mark_output(y)
    plan = builder.build_serialized_network(network, builder.create_builder_config())
    if plan is None:
        raise EngineError(log.reason())
    return bytes(plan)


def _words(facts: DeviceFacts) -> str:
    shared = ", memory shared with the host" if facts.integrated else ""
    return f"{facts.name}, compute capability {facts.compute_capability}, CUDA {facts.driver}{shared}"


class Lacking(CrystalEdgeError):
    """A part is missing, without which the rest was not tried."""

    def __init__(self, part: Part, detail: str) -> None:
        super().__init__(detail)
        self.part = part


class NoDevice(CrystalEdgeError):
    """There is no driver or no device to try it on."""


def _cuda() -> Cuda:
    try:
        return open_cuda()
    except MissingExtraError as error:
        raise Lacking(Part.CUDA_BINDINGS, str(error)) from error
    except DeviceError as error:
        msg = f"no CUDA device: {error}"
        raise NoDevice(msg) from error


def _tensorrt(flavour: Flavour) -> str:
    try:
        module = load_module(flavour)
    except MissingExtraError as error:
        raise Lacking(Part(flavour.value), str(error)) from error
    return probe_tensorrt(module, _cuda())  # the device before anything of TensorRT's is made


PROBES: Mapping[str, Callable[[], str]] = {
    "cuda": lambda: probe_cuda(_cuda()),
    "tensorrt": lambda: _tensorrt(Flavour.TENSORRT),
    "tensorrt-rtx": lambda: _tensorrt(Flavour.TENSORRT_RTX),
}


def answer(thing: str) -> dict[str, str | None]:
    """Try a thing, in this process."""
    try:
        return _told(Health.WORKS, PROBES[thing]())
    except Lacking as error:
        return _told(Health.MISSING, str(error), error.part)
    except NoDevice as error:
        return _told(Health.NOT_RUN, str(error), Part.DRIVER)
    except CrystalEdgeError as error:
        return _told(Health.BROKEN, str(error))


def _told(health: Health, detail: str, part: Part | None = None) -> dict[str, str | None]:
    return {"health": health.value, "part": None if part is None else part.value, "detail": detail}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(answer(sys.argv[1])) + "\n")
    sys.stdout.flush()
