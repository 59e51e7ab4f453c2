"""Buffers of one bound step: pinned arrays on the host, memory on the device, and what moves between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystaledge.engine.trt.cuda import Bytes, Cuda, HostMemory
from crystaledge.manifest.model import GraphSpec
from crystaledge.tensors import StatePair, TensorSpec

Array = NDArray[np.float32]
ROW_BYTES = 4


class StepBuffers:
    """Everything that a step of `rows` rows reads and writes; freed by `close`.

    States have two device buffers each, which change places after every step: what one step wrote,
    the next one reads where it lies. So there are two sets of addresses, and a captured graph for each.
    """

    def __init__(self, cuda: Cuda, graph: GraphSpec, rows: int, policy: HostMemory) -> None:
        self._cuda, self._rows, self._policy = cuda, rows, policy
        self._closing = ExitStack()
        self._states = graph.states
        inputs = {pair.input for pair in graph.states}
        outputs = {pair.output for pair in graph.states}
        self.host: dict[str, Array] = {}
        self._bytes: dict[str, Bytes] = {}
        self._pointers: dict[str, int] = {}
        try:
            self._observed = tuple(spec.name for spec in graph.inputs if spec.name not in inputs)
            self._results = tuple(spec.name for spec in graph.outputs if spec.name not in outputs)
            for spec in (*graph.inputs, *graph.outputs):
                stateful = spec.name in inputs or spec.name in outputs
                self._add(spec, device=stateful or policy is HostMemory.DEVICE, stateful=stateful)
            self._pairs = {pair.input: (self._allocate(pair), self._allocate(pair)) for pair in graph.states}
        except BaseException:
            self.close()
            raise

    def addresses(self, side: int) -> Mapping[str, int]:
        """Device address of every tensor; `side` (0 or 1) says which buffer of each pair is read."""
        fixed = {name: self._pointers[name] for name in (*self._observed, *self._results)}
        return {**fixed, **self.state_addresses(side)}

    def state_addresses(self, side: int) -> Mapping[str, int]:
        """Those of the states alone: all that differs between the sides."""
        found = {}
        for pair in self._states:
            found[pair.input] = self._pairs[pair.input][side]
            found[pair.output] = self._pairs[pair.input][1 - side]
        return found

    def state_address(self, name: str, side: int) -> int:
        """Where a state (by its input's name) is read on that side."""
        return self._pairs[name][side]

    def upload_observed(self, stream: Any) -> None:
        """What comes from outside, to the device; nothing where it is mapped."""
        for name in self._observed if self._policy is HostMemory.DEVICE else ():
            self._cuda.upload(self._pointers[name], self._bytes[name], stream)

    def upload_states(self, side: int, stream: Any) -> None:
        """The host's state rows, to where they are read on that side."""
        for pair in self._states:
            self._cuda.upload(self._pairs[pair.input][side], self._bytes[pair.input], stream)

    def download(self, side: int, stream: Any) -> None:
        """All that the host wants to see: results, and the states that a step on that side wrote."""
        for name in self._results if self._policy is HostMemory.DEVICE else ():
            self._cuda.download(self._bytes[name], self._pointers[name], stream)
        for pair in self._states:
            self._cuda.download(self._bytes[pair.output], self._pairs[pair.input][1 - side], stream)

    def wipe_states(self, stream: Any) -> None:
        """Overwrite all that is left of anybody's state, on both sides; in the order of the stream."""
        for pair in self._states:
            self._bytes[pair.input][:] = 0
            self._bytes[pair.output][:] = 0
            for pointer in self._pairs[pair.input]:
                self._cuda.clear(pointer, self._rows * row_bytes(pair.shape), stream)

    def wipe_host(self) -> None:
        """Overwrite what lies on the host, whatever the device says to the rest."""
        for block in self._bytes.values():
            block[:] = 0

    def wipe(self, stream: Any) -> None:
        """Overwrite states, frames and results: they are personal data."""
        self.wipe_host()
        self.wipe_states(stream)
        for name, pointer in self._pointers.items():
            self._cuda.clear(pointer, self._bytes[name].nbytes, stream)

    def close(self) -> None:
        """Free everything; arrays of `host` must not be touched any more."""
        self.host, self._bytes = {}, {}
        self._closing.close()

    def _add(self, spec: TensorSpec, *, device: bool, stateful: bool) -> None:
        count = self._rows * int(np.prod(spec.row_shape, dtype=np.int64))
        block = self._cuda.allocate_host(count * ROW_BYTES, mapped=not device)
        self._closing.callback(self._cuda.free_host, block)
        self._bytes[spec.name] = block.array
        self.host[spec.name] = block.array.view(np.float32).reshape(self._rows, *spec.row_shape)
        if block.device_pointer is not None:
            self._pointers[spec.name] = block.device_pointer
        elif not stateful:
            self._pointers[spec.name] = self._reserve(count * ROW_BYTES)

    def _allocate(self, pair: StatePair) -> int:
        return self._reserve(self._rows * row_bytes(pair.shape))

    def _reserve(self, nbytes: int) -> int:
        pointer = self._cuda.allocate(nbytes)
        self._closing.callback(self._cuda.free, pointer)
        return pointer


def row_bytes(shape: Sequence[int]) -> int:
    """Bytes of one float32 row of that shape."""
    return ROW_BYTES * int(np.prod(shape, dtype=np.int64))
