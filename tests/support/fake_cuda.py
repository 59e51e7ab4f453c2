"""A CUDA driver without a device, in the form of `cuda.bindings.driver`, that is strict where a real one is silent.

Memory is never given out twice, so that every use of freed memory is seen. Streams do their work only
when they are synchronised: whoever reads a result before, or changes an input too early, sees wrong
numbers. Breaking a rule raises `Violation`, which no code under test catches.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from tests.support.fake_cuda_device import (
    ALIGNMENT,
    UNTOUCHED,
    Bytes,
    Code,
    Event,
    FakeDevice,
    Graph,
    Stream,
    Violation,
    Work,
    rule,
)

__all__ = ["ALIGNMENT", "Code", "FakeDriver", "Graph", "Stream", "Violation", "rule"]

_CAPTURE_OF_THIS_THREAD = 1


class FakeDriver(FakeDevice):
    """The module: memory, streams, captured graphs and events of a device."""

    def cuMemAlloc(self, nbytes: int) -> tuple[Code, int]:
        self._entered("cuMemAlloc", recordable=False)
        if self._broken:
            return Code.CUDA_ERROR_ILLEGAL_ADDRESS, 0
        if nbytes == 0:
            return Code.CUDA_ERROR_INVALID_VALUE, 0
        if nbytes > self.total_bytes - sum(map(len, self.memory.values())):
            return Code.CUDA_ERROR_OUT_OF_MEMORY, 0
        address = self._address(nbytes)
        self.memory[address] = np.full(nbytes, UNTOUCHED, np.uint8)
        return Code.CUDA_SUCCESS, address

    def cuMemFree(self, pointer: int) -> tuple[Code]:
        self._entered("cuMemFree", recordable=False)
        rule(pointer in self.memory, f"{pointer:#x} is freed, which was not allocated, or is free already")
        self._idle("device memory is freed")
        self._goes(self.memory.pop(pointer))
        return self._answer()

    def cuMemHostAlloc(self, nbytes: int, flags: int) -> tuple[Code, int]:
        self._entered("cuMemHostAlloc", recordable=False)
        if nbytes == 0:
            return Code.CUDA_ERROR_INVALID_VALUE, 0
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
        self._goes(block)
        self.mapped = {address: other for address, other in self.mapped.items() if other is not block}
        return self._answer()

    def cuMemcpyHtoDAsync(self, target: int, source: int, nbytes: int, stream: Stream) -> tuple[Code]:
        host = self._host(source, nbytes)
        return self._put(stream, "cuMemcpyHtoDAsync", lambda: np.copyto(self.at(target, nbytes), host))

    def cuMemcpyDtoHAsync(self, target: int, source: int, nbytes: int, stream: Stream) -> tuple[Code]:
        host = self._host(target, nbytes)
        return self._put(stream, "cuMemcpyDtoHAsync", lambda: np.copyto(host, self.at(source, nbytes)))

    def cuMemsetD8Async(self, target: int, value: int, nbytes: int, stream: Stream) -> tuple[Code]:
        return self._put(stream, "cuMemsetD8Async", lambda: self.at(target, nbytes).fill(value))

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
            self._done += 1
        return self._answer()

    def cuStreamDestroy(self, stream: Stream) -> tuple[Code]:
        self._entered("cuStreamDestroy", recordable=False)
        self._alive(stream)
        rule(not self._waits(stream), "a stream is destroyed with work in it")
        del self.streams[stream.number]
        return self._answer()

    def cuStreamBeginCapture(self, stream: Stream, mode: int) -> tuple[Code]:
        self._entered("cuStreamBeginCapture", recordable=False)
        self._alive(stream)
        rule(not stream.waiting, "a capture begins while work is waiting")
        me = threading.get_ident()
        stream.recording = []
        stream.forbids = lambda: mode != _CAPTURE_OF_THIS_THREAD or threading.get_ident() == me
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

    def cuEventCreate(self, flags: int) -> tuple[Code, Any]:
        self._entered("cuEventCreate", recordable=False)
        event = Event()
        self.marks.add(event)
        return Code.CUDA_SUCCESS, event

    def cuEventRecord(self, event: Any, stream: Stream) -> tuple[Code]:
        rule(event in self.marks, "an event is recorded that was destroyed")
        event.reached = None

        def reach() -> None:
            event.reached = self._done

        return self._put(stream, "cuEventRecord", reach)

    def cuEventElapsedTime(self, start: Any, end: Any) -> tuple[Code, float]:
        """A piece of work takes a millisecond."""
        self._entered("cuEventElapsedTime")
        rule({start, end} <= self.marks, "the time of an event is asked for that was destroyed")
        if start.reached is None or end.reached is None:
            return Code.CUDA_ERROR_NOT_READY, 0.0
        return Code.CUDA_SUCCESS, float(end.reached - start.reached)

    def cuEventDestroy(self, event: Any) -> tuple[Code]:
        self._entered("cuEventDestroy", recordable=False)
        rule(event in self.marks, "an event is destroyed twice")
        self.marks.remove(event)
        return self._answer()

    def cuMemGetInfo(self) -> tuple[Code, int, int]:
        self._entered("cuMemGetInfo")
        return Code.CUDA_SUCCESS, self.total_bytes - sum(map(len, self.memory.values())), self.total_bytes

    # What makes it strict.

    def _put(self, stream: Stream, name: str, work: Work) -> tuple[Code]:
        self._entered(name)
        self._alive(stream)
        if not self._broken:
            stream.put(work)
        return self._answer()

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
            self.breaks()
        return self._broken
