"""What an engine needs of CUDA, behind one small surface: memory, copies, streams, captured graphs, one context.

Pointers are integers, streams and captured graphs are whatever the backend has; every call but
`current` and the first expects to be made inside of `current()`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import ContractError

Bytes = NDArray[np.uint8]


class HostMemory(Enum):
    """How frames reach the device and results come back."""

    DEVICE = "device"
    """Pinned memory on the host, copies both ways: best where the board has memory of its own."""
    MAPPED = "mapped"
    """Pinned memory that the device reads and writes in place: best where both share one memory, as on a Jetson."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """One CUDA device."""

    name: str
    compute_capability: str
    """Such as "8.7"."""
    driver: str
    """CUDA version that the driver speaks, such as "12.6"."""
    integrated: bool
    """It shares its memory with the host."""
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class HostBlock:
    """Page-locked memory."""

    array: Bytes
    device_pointer: int | None
    """Where the device finds the same bytes; None unless mapped."""


class Cuda(ABC):
    """One device through its primary context, which other libraries in the process share."""

    name: str

    @abstractmethod
    def facts(self) -> DeviceFacts:
        """What the device is."""

    @abstractmethod
    def current(self) -> AbstractContextManager[None]:
        """The context is current on this thread while the block runs, and what was current before comes back after."""

    @abstractmethod
    def allocate(self, nbytes: int) -> int:
        """Device memory, aligned to 256 bytes.

        Raises:
            DeviceError: there is no more.
        """

    @abstractmethod
    def free(self, pointer: int) -> None: ...

    @abstractmethod
    def allocate_host(self, nbytes: int, *, mapped: bool) -> HostBlock:
        """Page-locked memory on the host."""

    @abstractmethod
    def free_host(self, block: HostBlock) -> None: ...

    @abstractmethod
    def upload(self, pointer: int, source: Bytes, stream: Any) -> None:
        """Copy page-locked bytes to the device, in the order of the stream."""

    @abstractmethod
    def download(self, target: Bytes, pointer: int, stream: Any) -> None:
        """Copy device bytes into page-locked memory, in the order of the stream."""

    @abstractmethod
    def copy(self, target: int, source: int, nbytes: int, stream: Any) -> None:
        """Copy on the device, in the order of the stream."""

    @abstractmethod
    def clear(self, pointer: int, nbytes: int, stream: Any) -> None:
        """Overwrite device bytes with zeros, in the order of the stream."""

    @abstractmethod
    def make_stream(self) -> Any:
        """A stream that does not wait for the default one."""

    @abstractmethod
    def handle(self, stream: Any) -> int:
        """A stream as TensorRT wants it."""

    @abstractmethod
    def synchronise(self, stream: Any) -> None:
        """Wait until everything in the stream is done.

        Raises:
            DeviceError: something in it failed.
        """

    @abstractmethod
    def drop_stream(self, stream: Any) -> None: ...

    def begin_capture(self, stream: Any) -> bool:
        """Record what is put into the stream instead of doing it; False where the backend cannot, as here.

        A backend that can has the three below too; nobody calls them where this is False.
        """
        return False

    def end_capture(self, stream: Any) -> Any:
        """What was recorded, ready to be launched."""
        raise ContractError(self._no_graphs)

    def launch(self, graph: Any, stream: Any) -> None:
        """Do what was recorded, in the order of the stream."""
        raise ContractError(self._no_graphs)

    def drop_graph(self, graph: Any) -> None:
        """Free what was recorded."""
        raise ContractError(self._no_graphs)

    @property
    def _no_graphs(self) -> str:
        return f"{self.name} records no CUDA graphs; ask `begin_capture` first."

    @abstractmethod
    def make_event(self) -> Any:
        """A mark in a stream that knows its time."""

    @abstractmethod
    def record(self, event: Any, stream: Any) -> None:
        """Put the mark into the stream."""

    @abstractmethod
    def elapsed_ms(self, start: Any, end: Any) -> float:
        """Device time between two marks of a stream that is synchronised."""

    @abstractmethod
    def drop_event(self, event: Any) -> None: ...

    @abstractmethod
    def free_bytes(self) -> int:
        """Memory that is left on the device."""

    @abstractmethod
    def reset(self) -> None:
        """After a `DeviceError`: give the context up, with everything in it, and take a fresh one."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the context; nothing made in it may be used any more."""
