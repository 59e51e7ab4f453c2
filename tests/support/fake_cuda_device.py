"""One CUDA device as the fake driver sees it: what lies on it, its contexts, and who may do what when."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Work = Callable[[], None]
ALIGNMENT = 256
UNTOUCHED = 0xCD
"""What lies in device memory before anybody writes to it."""
OUT_OF_MEMORY, ILLEGAL_ADDRESS = 2, 700
_FIRST_ADDRESS = 0x7F00_0000_0000


class Violation(BaseException):
    """A rule of CUDA or TensorRT was broken."""


class Code(IntEnum):
    """The answers that are given here."""

    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1
    CUDA_ERROR_OUT_OF_MEMORY = OUT_OF_MEMORY
    CUDA_ERROR_NO_DEVICE = 100
    CUDA_ERROR_INVALID_CONTEXT = 201
    CUDA_ERROR_NOT_READY = 600
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
    forbids: Callable[[], bool] = bool
    """Whether what is recorded forbids this thread to allocate, free or wait."""

    def __int__(self) -> int:
        return self.number

    def put(self, work: Work) -> None:
        """Queue work, or record it."""
        (self.waiting if self.recording is None else self.recording).append(work)


@dataclass(eq=False)
class Graph:
    """A captured graph."""

    work: list[Work]


@dataclass(eq=False)
class Event:
    """A mark in a stream; `reached` is how much work was done before it."""

    reached: int | None = None


class _Attributes(IntEnum):
    CU_DEVICE_ATTRIBUTE_INTEGRATED = 18
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76


class FakeDevice:
    """See `FakeDriver`. `fail_in` counts the work that still succeeds before the device breaks.

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
        self.marks: set[Event] = set()
        self.calls: list[str] = []
        self.fail_in: int | None = None
        self.retained = 0
        self.resets = 0
        self.orphans: list[str] = []
        """Objects of TensorRT that outlived the context they were made in: they free what is not theirs any more."""
        self.before_free: Callable[[Bytes], None] = lambda block: None
        """Looks at memory of either kind before it goes back to whoever gets it next."""
        self.adrift: list[str] = []
        """Objects of TensorRT that were destroyed on a thread without a current context."""
        self._made: weakref.WeakSet[object] = weakref.WeakSet()
        self._broken = False
        self._done = 0
        self._next = _FIRST_ADDRESS
        self._numbers = 100
        self._current = threading.local()

    # What the tests look at.

    @property
    def blocks(self) -> tuple[Bytes, ...]:
        """All memory that is allocated, on the device and page-locked."""
        return (*self.memory.values(), *self.pinned.values())

    @property
    def live(self) -> dict[str, int]:
        """How much of everything is alive."""
        return {
            "device": len(self.memory),
            "host": len(self.pinned),
            "streams": len(self.streams),
            "graphs": len(self.graphs),
        }

    @property
    def depth(self) -> int:
        """How many contexts are pushed on this thread."""
        return len(self._stack)

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

    def breaks(self) -> None:
        """Break the device: whatever comes next fails, until the context is reset."""
        self.fail_in, self._broken = None, True
        for stream in self.streams.values():
            stream.waiting = []

    def holds(self, made: object) -> None:
        """Watch an object of TensorRT that was made in this context."""
        rule(bool(self._stack), f"{type(made).__name__} is made on a thread without a current context")
        self._made.add(made)
        weakref.finalize(made, self._gone, type(made).__name__).atexit = False

    def entered(self, name: str) -> None:
        """A function of TensorRT was called that works in the current context."""
        self._entered(name)

    def _gone(self, name: str) -> None:
        if not self._stack:
            self.adrift.append(name)

    # Device and contexts.

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
        self.orphans += sorted(type(made).__name__ for made in self._made)
        self._made.clear()
        self.memory, self.pinned, self.mapped = {}, {}, {}
        self.streams, self.graphs, self.marks = {}, set(), set()
        self._broken, self.resets = False, self.resets + 1
        return (Code.CUDA_SUCCESS,)

    def cuCtxPushCurrent(self, context: str | None) -> tuple[Code]:
        if context is None:  # the bindings pass no context as the null context
            return (Code.CUDA_ERROR_INVALID_CONTEXT,)
        rule(context == "context" and self.retained > 0, "a context is made current that is not held")
        self._stack.append(context)
        return (Code.CUDA_SUCCESS,)

    def cuCtxPopCurrent(self) -> tuple[Code, str]:
        rule(bool(self._stack), "a context is popped that was not pushed")
        return Code.CUDA_SUCCESS, self._stack.pop()

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
        recording = any(stream.recording is not None and stream.forbids() for stream in self.streams.values())
        rule(recordable or not recording, f"{name} is called while a graph is captured")

    def _alive(self, stream: Stream) -> None:
        rule(self.streams.get(stream.number) is stream, "a stream is used that was destroyed")

    def _idle(self, what: str) -> None:
        rule(not any(map(self._waits, self.streams.values())), f"{what} while work is waiting")

    def _goes(self, block: Bytes) -> None:
        if not self._broken:  # else nothing is freed: the context takes it all along
            self.before_free(block)

    def _waits(self, stream: Stream) -> bool:
        """Whether there is work that may still be done: a broken device does none any more."""
        return bool(stream.waiting) and not self._broken

    def _answer(self) -> tuple[Code]:
        return (Code.CUDA_ERROR_ILLEGAL_ADDRESS if self._broken else Code.CUDA_SUCCESS,)

    def _address(self, nbytes: int) -> int:
        address = self._next
        self._next += -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT + ALIGNMENT
        return address
