"""A CUDA driver without a device, in the form of `cuda.bindings.driver`, that is strict where a real one is silent.

Memory is never given out twice, so that every use of freed memory is seen. Streams do their work only
when they are synchronised: whoever reads a result before, or changes an input too early, sees wrong
numbers. Breaking a rule raises `Violation`, which no code under test catches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Work = Callable[[], None]
ALIGNMENT = 256
OUT_OF_MEMORY, ILLEGAL_ADDRESS = 2, 700
_FIRST_ADDRESS = 0x7F00_0000_0000


class Violation(BaseException):
    """A rule of CUDA or TensorRT was broken."""


class Code(IntEnum):
    """The answers that are given here."""

    CUDA_SUCCESS = 0
    CUDA_ERROR_OUT_OF_MEMORY = OUT_OF_MEMORY
    CUDA_ERROR_NO_DEVICE = 100
    CUDA_ERROR_ILLEGAL_ADDRESS = ILLEGAL_ADDRESS


def rule(holds: bool, text: str) -> None:
    """Raise unless a rule holds."""
    if not holds:
        raise Violation(text)


@dataclass(eq=False)
class Stream:
    """Work that waits, or is being recorded."""

    number: int
    waiting: list[Work] = field(default_factory=list)
    recording: list[Work] | None = None

    def __int__(self) -> int:
        return self.number

    def put(self, work: Work) -> None:
        """Queue work, or record it."""
        (self.waiting if self.recording is None else self.recording).append(work)


@dataclass(eq=False)
class Graph:
    """A captured graph."""

    work: list[Work]


class _Attributes(IntEnum):
    CU_DEVICE_ATTRIBUTE_INTEGRATED = 18
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76


class FakeDriver:
    """The module. `fail_in` counts the work that still succeeds before the device breaks.

    Args:
        integrated: host and device share their memory.
        total_bytes: of device memory.
    """

    CUdevice_attribute = _Attributes
    CUstreamCaptureMode = int

    def __init__(self, *, integrated: bool = False, total_bytes: int = 1 << 30, name: str = "Fake Orin") -> None:
        self.integrated, self.total_bytes, self.device_name = integrated, total_bytes, name
        self.memory: dict[int, Bytes] = {}
        self.pinned: dict[int, Bytes] = {}
        self.mapped: dict[int, Bytes] = {}
        self.streams: dict[int, Stream] = {}
        self.graphs: set[Graph] = set()
        self.calls: list[str] = []
        self.fail_in: int | None = None
        self.retained = 0
        self.resets = 0
        self._broken = False
        self._next = _FIRST_ADDRESS
        self._numbers = 100
        self._current = threading.local()

    # What the tests look at.

    @property
    def live(self) -> dict[str, int]:
        """How much of everything is alive."""
        return {
            "device": len(self.memory),
            "host": len(self.pinned),
            "streams": len(self.streams),
            "graphs": len(self.graphs),
        }

    def at(self, pointer: int, nbytes: int) -> Bytes:
        """The bytes behind a device address.

        Raises:
            Violation: they are not all of one live piece of memory.
        """
        for base, block in (*self.memory.items(), *self.mapped.items()):
            if base <= pointer < base + len(block):
                rule(pointer + nbytes <= base + len(block), f"{nbytes} bytes at {pointer:#x} run over their memory")
                return block[pointer - base : pointer - base + nbytes]
        msg = f"{pointer:#x} is no live device memory"
        raise Violation(msg)

    # The driver.

    def cuInit(self, flags: int) -> tuple[Code]:
        return (Code.CUDA_SUCCESS,)

    def cuDeviceGet(self, ordinal: int) -> tuple[Code, int]:
        return (Code.CUDA_SUCCESS, ordinal) if ordinal == 0 else (Code.CUDA_ERROR_NO_DEVICE, 0)

    def cuDeviceGetName(self, length: int, device: int) -> tuple[Code, bytes]:
        return Code.CUDA_SUCCESS, self.device_name.encode().ljust(length, b"\0")

    def cuDeviceGetAttribute(self, attribute: _Attributes, device: int) -> tuple[Code, int]:
        values = {
            _Attributes.CU_DEVICE_ATTRIBUTE_INTEGRATED: int(self.integrated),
            _Attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: 8,
            _Attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: 7,
        }
        return Code.CUDA_SUCCESS, values[attribute]

    def cuDriverGetVersion(self) -> tuple[Code, int]:
        return Code.CUDA_SUCCESS, 12060

    def cuDeviceTotalMem(self, device: int) -> tuple[Code, int]:
        return Code.CUDA_SUCCESS, self.total_bytes

    def cuDevicePrimaryCtxRetain(self, device: int) -> tuple[Code, str]:
        self.retained += 1
        return Code.CUDA_SUCCESS, "context"

    def cuDevicePrimaryCtxRelease(self, device: int) -> tuple[Code]:
        rule(self.retained > 0, "the primary context is released more often than it was retained")
        self.retained -= 1
        return (Code.CUDA_SUCCESS,)

    def cuDevicePrimaryCtxReset(self, device: int) -> tuple[Code]:
        rule(not self._stack, "the context is reset while it is current")
        self.memory, self.pinned, self.mapped = {}, {}, {}
        self.streams, self.graphs = {}, set()
        self._broken, self.resets = False, self.resets + 1
        return (Code.CUDA_SUCCESS,)

    def cuCtxPushCurrent(self, context: str) -> tuple[Code]:
        rule(context == "context" and self.retained > 0, "a context is made current that is not held")
        self._stack.append(context)
        return (Code.CUDA_SUCCESS,)

    def cuCtxPopCurrent(self) -> tuple[Code, str]:
        rule(bool(self._stack), "a context is popped that was not pushed")
        return Code.CUDA_SUCCESS, self._stack.pop()

    def cuMemAlloc(self, nbytes: int) -> tuple[Code, int]:
        self._entered("cuMemAlloc", recordable=False)
        if self._broken:
            return Code.CUDA_ERROR_ILLEGAL_ADDRESS, 0
        if nbytes > self.total_bytes - sum(map(len, self.memory.values())):
            return Code.CUDA_ERROR_OUT_OF_MEMORY, 0
        address = self._address(nbytes)
        self.memory[address] = np.full(nbytes, 0xCD, np.uint8)
        return Code.CUDA_SUCCESS, address

    def cuMemFree(self, pointer: int) -> tuple[Code]:
        self._entered("cuMemFree", recordable=False)
        rule(pointer in self.memory, f"{pointer:#x} is freed, which was not allocated, or is free already")
        self._idle("device memory is freed")
        del self.memory[pointer]
        return self._answer()

    def cuMemHostAlloc(self, nbytes: int, flags: int) -> tuple[Code, int]:
        self._entered("cuMemHostAlloc", recordable=False)
        block = np.zeros(nbytes, np.uint8)
        self.pinned[block.ctypes.data] = block
        return Code.CUDA_SUCCESS, block.ctypes.data

    def cuMemHostGetDevicePointer(self, pointer: int, flags: int) -> tuple[Code, int]:
        address = self._address(len(self.pinned[pointer]))
        self.mapped[address] = self.pinned[pointer]
        return Code.CUDA_SUCCESS, address

    def cuMemFreeHost(self, pointer: int) -> tuple[Code]:
        self._entered("cuMemFreeHost", recordable=False)
        rule(pointer in self.pinned, f"{pointer:#x} is freed, which is no page-locked memory")
        self._idle("page-locked memory is freed")
        block = self.pinned.pop(pointer)
        self.mapped = {address: other for address, other in self.mapped.items() if other is not block}
        return self._answer()

    def cuMemcpyHtoDAsync(self, target: int, source: int, nbytes: int, stream: Stream) -> tuple[Code]:
        host = self._host(source, nbytes)
        return self._put(stream, "cuMemcpyHtoDAsync", lambda: np.copyto(self.at(target, nbytes), host))

    def cuMemcpyDtoHAsync(self, target: int, source: int, nbytes: int, stream: Stream) -> tuple[Code]:
        host = self._host(target, nbytes)
        return self._put(stream, "cuMemcpyDtoHAsync", lambda: np.copyto(host, self.at(source, nbytes)))

    def cuMemcpyDtoDAsync(self, target: int, source: int, nbytes: int, stream: Stream) -> tuple[Code]:
        return self._put(
            stream, "cuMemcpyDtoDAsync", lambda: np.copyto(self.at(target, nbytes), self.at(source, nbytes))
        )

    def cuStreamCreate(self, flags: int) -> tuple[Code, Stream | None]:
        self._entered("cuStreamCreate", recordable=False)
        rule(flags == 1, "a stream waits for the default one; TensorRT then synchronises on its own")
        if self._broken:
            return Code.CUDA_ERROR_ILLEGAL_ADDRESS, None
        self._numbers += 1
        self.streams[self._numbers] = Stream(self._numbers)
        return Code.CUDA_SUCCESS, self.streams[self._numbers]

    def cuStreamSynchronize(self, stream: Stream) -> tuple[Code]:
        self._entered("cuStreamSynchronize", recordable=False)
        self._alive(stream)
        work, stream.waiting = stream.waiting, []
        for one in work:
            if self._broken or self._breaks_now():
                break
            one()
        return self._answer()

    def cuStreamDestroy(self, stream: Stream) -> tuple[Code]:
        self._entered("cuStreamDestroy", recordable=False)
        self._alive(stream)
        rule(not stream.waiting, "a stream is destroyed with work in it")
        del self.streams[stream.number]
        return self._answer()

    def cuStreamBeginCapture(self, stream: Stream, mode: int) -> tuple[Code]:
        self._entered("cuStreamBeginCapture", recordable=False)
        self._alive(stream)
        rule(not stream.waiting, "a capture begins while work is waiting")
        stream.recording = []
        return self._answer()

    def cuStreamEndCapture(self, stream: Stream) -> tuple[Code, Graph]:
        self._entered("cuStreamEndCapture")
        assert stream.recording is not None
        work, stream.recording = stream.recording, None
        return Code.CUDA_SUCCESS, Graph(work)

    def cuGraphInstantiate(self, graph: Graph, flags: int) -> tuple[Code, Graph]:
        self._entered("cuGraphInstantiate")
        ready = Graph(list(graph.work))
        self.graphs.add(ready)
        return Code.CUDA_SUCCESS, ready

    def cuGraphDestroy(self, graph: Graph) -> tuple[Code]:
        return self._answer()

    def cuGraphLaunch(self, graph: Graph, stream: Stream) -> tuple[Code]:
        self._entered("cuGraphLaunch")
        rule(graph in self.graphs, "a graph is launched that was destroyed")
        self._alive(stream)
        for work in graph.work:
            stream.put(work)
        return self._answer()

    def cuGraphExecDestroy(self, graph: Graph) -> tuple[Code]:
        self._entered("cuGraphExecDestroy", recordable=False)
        rule(graph in self.graphs, "a graph is destroyed twice")
        self.graphs.remove(graph)
        return self._answer()

    def cuMemGetInfo(self) -> tuple[Code, int, int]:
        self._entered("cuMemGetInfo")
        return Code.CUDA_SUCCESS, self.total_bytes - sum(map(len, self.memory.values())), self.total_bytes

    # What makes it strict.

    @property
    def _stack(self) -> list[str]:
        if not hasattr(self._current, "stack"):
            self._current.stack = []
        stack: list[str] = self._current.stack
        return stack

    def _entered(self, name: str, *, recordable: bool = True) -> None:
        self.calls.append(name)
        rule(bool(self._stack), f"{name} is called on a thread without a current context")
        recording = any(stream.recording is not None for stream in self.streams.values())
        rule(recordable or not recording, f"{name} is called while a graph is captured")

    def _put(self, stream: Stream, name: str, work: Work) -> tuple[Code]:
        self._entered(name)
        self._alive(stream)
        stream.put(work)
        return self._answer()

    def _alive(self, stream: Stream) -> None:
        rule(self.streams.get(stream.number) is stream, "a stream is used that was destroyed")

    def _idle(self, what: str) -> None:
        rule(not any(stream.waiting for stream in self.streams.values()), f"{what} while work is waiting")

    def _host(self, pointer: int, nbytes: int) -> Bytes:
        for base, block in self.pinned.items():
            if base <= pointer and pointer + nbytes <= base + len(block):
                return block[pointer - base : pointer - base + nbytes]
        msg = "an asynchronous copy touches host memory that is not page-locked"
        raise Violation(msg)

    def _breaks_now(self) -> bool:
        if self.fail_in is None:
            return False
        self.fail_in -= 1
        if self.fail_in < 0:
            self.fail_in, self._broken = None, True
        return self._broken

    def _answer(self) -> tuple[Code]:
        return (Code.CUDA_ERROR_ILLEGAL_ADDRESS if self._broken else Code.CUDA_SUCCESS,)

    def _address(self, nbytes: int) -> int:
        address = self._next
        self._next += -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT + ALIGNMENT
        return address
