"""CUDA through `pycuda`, for boards where that is installed already; it records no graphs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pycuda.driver as driver

from crystaledge.engine.trt.cuda import Bytes, Cuda, DeviceFacts, HostBlock
from crystaledge.errors import DeviceError

_STREAM_NON_BLOCKING = 1


class PyCuda(Cuda):
    """See `Cuda`. `pycuda.autoinit` is not used: it ties a context to the thread that imports it.

    Raises:
        DeviceError: there is no driver, or no such device.
    """

    name = "pycuda"

    def __init__(self, ordinal: int = 0) -> None:
        with _translated():
            driver.init()
            self._device = driver.Device(ordinal)
            self._context: Any = self._device.retain_primary_context()
        self._memory: dict[int, Any] = {}

    def facts(self) -> DeviceFacts:
        """See `Cuda.facts`."""
        with _translated():
            major, minor = self._device.compute_capability()
            version = driver.get_driver_version()
            kinds = driver.device_attribute
            return DeviceFacts(
                name=self._device.name(),
                compute_capability=f"{major}.{minor}",
                driver=f"{version // 1000}.{version % 1000 // 10}",
                integrated=bool(self._device.get_attribute(kinds.INTEGRATED)),
                memory_bytes=int(self._device.total_memory()),
            )

    @contextmanager
    def current(self) -> Iterator[None]:
        """See `Cuda.current`."""
        with _translated():
            self._context.push()
        try:
            yield
        finally:
            with _translated():
                driver.Context.pop()

    def allocate(self, nbytes: int) -> int:
        """See `Cuda.allocate`."""
        with _translated():
            memory = driver.mem_alloc(nbytes)
        self._memory[int(memory)] = memory
        return int(memory)

    def free(self, pointer: int) -> None:
        """See `Cuda.free`."""
        with _translated():
            self._memory.pop(pointer).free()

    def allocate_host(self, nbytes: int, *, mapped: bool) -> HostBlock:
        """See `Cuda.allocate_host`."""
        flags = driver.host_alloc_flags.DEVICEMAP if mapped else 0
        with _translated():
            array = driver.pagelocked_zeros(nbytes, np.uint8, mem_flags=flags)
            return HostBlock(array, int(array.base.get_device_pointer()) if mapped else None)

    def free_host(self, block: HostBlock) -> None:
        """See `Cuda.free_host`."""
        with _translated():
            block.array.base.free()  # type: ignore[union-attr]

    def upload(self, pointer: int, source: Bytes, stream: Any) -> None:
        """See `Cuda.upload`."""
        with _translated():
            driver.memcpy_htod_async(pointer, source, stream)

    def download(self, target: Bytes, pointer: int, stream: Any) -> None:
        """See `Cuda.download`."""
        with _translated():
            driver.memcpy_dtoh_async(target, pointer, stream)

    def copy(self, target: int, source: int, nbytes: int, stream: Any) -> None:
        """See `Cuda.copy`."""
        with _translated():
            driver.memcpy_dtod_async(target, source, nbytes, stream)

    def clear(self, pointer: int, nbytes: int, stream: Any) -> None:
        """See `Cuda.clear`."""
        with _translated():
            driver.memset_d8_async(pointer, 0, nbytes, stream)

    def make_stream(self) -> Any:
        """See `Cuda.make_stream`."""
        with _translated():
            return driver.Stream(_STREAM_NON_BLOCKING)

    def handle(self, stream: Any) -> int:
        """See `Cuda.handle`."""
        return int(stream.handle)

    def synchronise(self, stream: Any) -> None:
        """See `Cuda.synchronise`."""
        with _translated():
            stream.synchronize()

    def drop_stream(self, stream: Any) -> None:
        """See `Cuda.drop_stream`: pycuda destroys a stream with its object."""

    def make_event(self) -> Any:
        """See `Cuda.make_event`."""
        with _translated():
            return driver.Event()

    def record(self, event: Any, stream: Any) -> None:
        """See `Cuda.record`."""
        with _translated():
            event.record(stream)

    def elapsed_ms(self, start: Any, end: Any) -> float:
        """See `Cuda.elapsed_ms`."""
        with _translated():
            return float(start.time_till(end))

    def drop_event(self, event: Any) -> None:
        """See `Cuda.drop_event`: pycuda destroys an event with its object."""

    def free_bytes(self) -> int:
        """See `Cuda.free_bytes`."""
        with _translated():
            left, _ = driver.mem_get_info()
        return int(left)

    def reset(self) -> None:
        """See `Cuda.reset`: pycuda cannot, so the process has to start again."""
        msg = "pycuda cannot take a fresh context after a failure; restart the process, or install 'crystaledge[cuda]'."
        raise DeviceError(msg)

    def close(self) -> None:
        """See `Cuda.close`."""
        if self._context is not None:
            with _translated():
                self._context.detach()
            self._context = None


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except driver.Error as error:
        msg = f"CUDA failed: {str(error).splitlines()[0]}."
        raise DeviceError(msg) from error
