"""CUDA through NVIDIA's `cuda-bindings` (the package `cuda-python` brings it), driver API, primary context."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from crystaledge.engine.trt.cuda import Bytes, Cuda, DeviceFacts, HostBlock
from crystaledge.errors import DeviceError, MissingExtraError

_STREAM_NON_BLOCKING = 1
_HOST_PORTABLE, _HOST_MAPPED = 1, 2
_CAPTURE_THREAD_LOCAL = 1
_NAME_BYTES = 256


def load_bindings() -> Any:
    """The driver half of the bindings, from where this version keeps it.

    Raises:
        MissingExtraError: it is not installed.
    """
    for name in ("cuda.bindings.driver", "cuda.cuda"):
        try:
            return import_module(name)
        except ImportError:
            continue
    msg = "Using a CUDA device needs the package 'cuda-bindings' of its CUDA's version, which is not installed; "
    msg += "`crystaledge doctor` names it for this board."
    raise MissingExtraError(msg)


class CudaPython(Cuda):
    """See `Cuda`.

    Raises:
        DeviceError: there is no driver, or no such device.
    """

    name = "cuda-python"

    def __init__(self, ordinal: int = 0, *, driver: Any = None) -> None:
        self._driver = driver if driver is not None else load_bindings()
        self._call("cuInit", 0)
        self._device = self._call("cuDeviceGet", ordinal)
        self._context: Any = self._call("cuDevicePrimaryCtxRetain", self._device)

    def facts(self) -> DeviceFacts:
        """See `Cuda.facts`."""
        kinds = self._driver.CUdevice_attribute
        prefix = "CU_DEVICE_ATTRIBUTE_"

        def attribute(name: str) -> int:
            return int(self._call("cuDeviceGetAttribute", getattr(kinds, prefix + name), self._device))

        version = int(self._call("cuDriverGetVersion"))
        name = self._call("cuDeviceGetName", _NAME_BYTES, self._device)
        return DeviceFacts(
            name=name.split(b"\0")[0].decode(),
            compute_capability=f"{attribute('COMPUTE_CAPABILITY_MAJOR')}.{attribute('COMPUTE_CAPABILITY_MINOR')}",
            driver=f"{version // 1000}.{version % 1000 // 10}",
            integrated=bool(attribute("INTEGRATED")),
            memory_bytes=int(self._call("cuDeviceTotalMem", self._device)),
        )

    @contextmanager
    def current(self) -> Iterator[None]:
        """See `Cuda.current`."""
        self._call("cuCtxPushCurrent", self._context)
        try:
            yield
        finally:
            self._call("cuCtxPopCurrent")

    def allocate(self, nbytes: int) -> int:
        """See `Cuda.allocate`."""
        return int(self._call("cuMemAlloc", nbytes))

    def free(self, pointer: int) -> None:
        """See `Cuda.free`."""
        self._call("cuMemFree", pointer)

    def allocate_host(self, nbytes: int, *, mapped: bool) -> HostBlock:
        """See `Cuda.allocate_host`."""
        address = int(self._call("cuMemHostAlloc", nbytes, _HOST_PORTABLE | (_HOST_MAPPED if mapped else 0)))
        array = np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address))
        array[...] = 0
        try:
            pointer = int(self._call("cuMemHostGetDevicePointer", address, 0)) if mapped else None
        except DeviceError:
            self._call("cuMemFreeHost", address)
            raise
        return HostBlock(array, pointer)

    def free_host(self, block: HostBlock) -> None:
        """See `Cuda.free_host`."""
        self._call("cuMemFreeHost", block.array.ctypes.data)

    def upload(self, pointer: int, source: Bytes, stream: Any) -> None:
        """See `Cuda.upload`."""
        self._call("cuMemcpyHtoDAsync", pointer, source.ctypes.data, source.nbytes, stream)

    def download(self, target: Bytes, pointer: int, stream: Any) -> None:
        """See `Cuda.download`."""
        self._call("cuMemcpyDtoHAsync", target.ctypes.data, pointer, target.nbytes, stream)

    def copy(self, target: int, source: int, nbytes: int, stream: Any) -> None:
        """See `Cuda.copy`."""
        self._call("cuMemcpyDtoDAsync", target, source, nbytes, stream)

    def clear(self, pointer: int, nbytes: int, stream: Any) -> None:
        """See `Cuda.clear`."""
        self._call("cuMemsetD8Async", pointer, 0, nbytes, stream)

    def make_stream(self) -> Any:
        """See `Cuda.make_stream`."""
        return self._call("cuStreamCreate", _STREAM_NON_BLOCKING)

    def handle(self, stream: Any) -> int:
        """See `Cuda.handle`."""
        return int(stream)

    def synchronise(self, stream: Any) -> None:
        """See `Cuda.synchronise`."""
        self._call("cuStreamSynchronize", stream)

    def drop_stream(self, stream: Any) -> None:
        """See `Cuda.drop_stream`."""
        self._call("cuStreamDestroy", stream)

    def begin_capture(self, stream: Any) -> bool:
        """See `Cuda.begin_capture`."""
        self._call("cuStreamBeginCapture", stream, self._driver.CUstreamCaptureMode(_CAPTURE_THREAD_LOCAL))
        return True

    def end_capture(self, stream: Any) -> Any:
        """See `Cuda.end_capture`."""
        recorded = self._call("cuStreamEndCapture", stream)
        try:
            return self._call("cuGraphInstantiate", recorded, 0)
        finally:
            self._call("cuGraphDestroy", recorded)

    def launch(self, graph: Any, stream: Any) -> None:
        """See `Cuda.launch`."""
        self._call("cuGraphLaunch", graph, stream)

    def drop_graph(self, graph: Any) -> None:
        """See `Cuda.drop_graph`."""
        self._call("cuGraphExecDestroy", graph)

    def make_event(self) -> Any:
        """See `Cuda.make_event`."""
        return self._call("cuEventCreate", 0)

    def record(self, event: Any, stream: Any) -> None:
        """See `Cuda.record`."""
        self._call("cuEventRecord", event, stream)

    def elapsed_ms(self, start: Any, end: Any) -> float:
        """See `Cuda.elapsed_ms`."""
        return float(self._call("cuEventElapsedTime", start, end))

    def drop_event(self, event: Any) -> None:
        """See `Cuda.drop_event`."""
        self._call("cuEventDestroy", event)

    def free_bytes(self) -> int:
        """See `Cuda.free_bytes`."""
        left, _ = self._call("cuMemGetInfo")
        return int(left)

    def reset(self) -> None:
        """See `Cuda.reset`."""
        self._context = None  # so that nobody releases it twice, whatever fails below
        self._call("cuDevicePrimaryCtxRelease", self._device)
        self._call("cuDevicePrimaryCtxReset", self._device)
        self._context = self._call("cuDevicePrimaryCtxRetain", self._device)

    def close(self) -> None:
        """See `Cuda.close`."""
        if self._context is not None:
            self._context = None
            self._call("cuDevicePrimaryCtxRelease", self._device)

    def _call(self, name: str, *arguments: Any) -> Any:
        """Call a driver function; answers are tuples that begin with an error code."""
        function: Callable[..., tuple[Any, ...]] = getattr(self._driver, name)
        try:
            code, *answer = function(*arguments)
        except RuntimeError as error:
            raise DeviceError(_unloadable(str(error).splitlines()[0])) from error
        if int(code) != 0:
            msg = f"CUDA's {name} failed with {_code_name(code)}{_hint(int(code))}"
            raise DeviceError(msg)
        return answer[0] if len(answer) == 1 else tuple(answer)


_HINTS = {
    2: "; the device is out of memory: close other programs, or use fewer tracks at once.",
    100: "; there is no CUDA device.",
    **dict.fromkeys(
        (35, 36, 803, 804),
        "; the driver is older than this CUDA: update the driver, or install an older cuda-bindings.",
    ),
}


def _unloadable(why: str) -> str:
    """The bindings found no driver, or one that lacks what they ask of it."""
    if "not found" in why and "unction" in why:
        return f"The CUDA driver is older than these bindings ({why}); update it, or install older cuda-bindings."
    return f"No CUDA driver can be loaded ({why}); install NVIDIA's driver."


def _hint(code: int) -> str:
    return _HINTS.get(code, ".")


def _code_name(code: Any) -> str:
    return f"{getattr(code, 'name', 'error')} ({int(code)})"
