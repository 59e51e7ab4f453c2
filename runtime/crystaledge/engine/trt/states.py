"""States that stay on the device between steps, with a copy on the host that survives the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystaledge.engine.bound_step import BoundStep
from crystaledge.engine.states import StateMemory, StateRows
from crystaledge.engine.trt.buffers import row_bytes
from crystaledge.engine.trt.cuda import Cuda, HostBlock
from crystaledge.engine.trt.step import TensorRtStep
from crystaledge.errors import ContractError, DeviceError
from crystaledge.tensors import StatePair

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Memory:
    """A pool on the device and the page-locked memory that feeds it, by state; freed together."""

    pool: dict[str, int]
    staging: dict[str, HostBlock]
    closing: ExitStack


class DeviceStates(StateMemory):
    """A pool of rows on the device, one for each slot; `arrays` is the host's copy, whole after every step.

    A step that advances the same tracks as the last time finds their states where it left them and
    copies nothing but the new ones to the pool. Otherwise rows are gathered from the pool, neighbours
    in one copy. Tracks that were created, reset or restored since are brought from the host first.
    """

    def __init__(self, cuda: Cuda, states: Sequence[StatePair], capacity: int) -> None:
        super().__init__(states, capacity)
        self._cuda = cuda
        self._row_bytes = {pair.input: row_bytes(pair.shape) for pair in states}
        self._pool: dict[str, int] = {}
        self._staging: dict[str, HostBlock] = {}
        self._memory, self._closing = ExitStack(), ExitStack()
        self._stale: set[int] = set()
        """Slots whose row on the device is older than the host's."""
        self._held: dict[TensorRtStep, set[int]] = {}
        """Slots whose states, new or old, lie in a step's own buffers."""
        self._resident: dict[TensorRtStep, tuple[tuple[int, ...], int]] = {}
        """Slots whose states lie in a step's own buffers, row by row, as long as the step has taken so many steps."""
        self.revive()

    def grow(self, capacity: int) -> None:
        """See `StateMemory.grow`."""
        fresh = self._allocated(capacity)  # where there is no memory left, nothing has changed
        super().grow(capacity)
        with suppress(DeviceError):  # what a device that fails here still holds goes with its context
            self._free_pool()
        self._resident = {}
        self._take(fresh)

    def reset(self, slot: int) -> None:
        """See `StateMemory.reset`."""
        super().reset(slot)
        self._touch(slot, wipe=True)

    def load(self, slot: int, state: Mapping[str, Array]) -> None:
        """See `StateMemory.load`."""
        super().load(slot, state)
        self._touch(slot)

    def advance(self, step: BoundStep, rows: Sequence[StateRows], slots: Sequence[int]) -> None:
        """See `StateMemory.advance`."""
        if not isinstance(step, TensorRtStep):
            msg = "States on a device are advanced by steps of the same engine only."
            raise ContractError(msg)
        wanted = tuple(slots)
        with self._cuda.current(), self._stale_if_it_fails(wanted), step.waited():
            self._held.setdefault(step, set()).update(wanted)
            if self._resident.pop(step, None) != (wanted, step.taken):
                self._bring(step, wanted)
            step.enqueue()
            self._scatter(step, wanted)
        self._resident[step] = wanted, step.taken
        for state in rows:
            self._arrays[state.name][slots] = state.following

    def lost(self) -> None:
        """The device is gone: forget what was there; the host's copy is what is left."""
        self._wipe_staging()
        self._forget()

    def _forget(self) -> None:
        self._pool, self._staging, self._resident, self._held = {}, {}, {}, {}
        self._memory, self._closing = ExitStack(), ExitStack()

    def revive(self) -> None:
        """Begin on a device that holds nothing of these states yet."""
        with self._cuda.current(), ExitStack() as undo:
            self._stream = self._cuda.make_stream()
            undo.callback(self._cuda.drop_stream, self._stream)
            self.renew()
            self._closing = undo.pop_all()

    def renew(self) -> None:
        """Make room for as many slots as the host has; their rows are brought when they are wanted."""
        self._take(self._allocated(len(next(iter(self.arrays.values()), ()))))

    def close(self) -> None:
        """Overwrite and free everything on the device; nothing where it was lost."""
        try:
            with self._cuda.current(), self._closing:
                if self._pool:
                    self._free_pool()
        finally:
            self._forget()

    @contextmanager
    def _stale_if_it_fails(self, slots: tuple[int, ...]) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._stale.update(slots)  # whatever lies on the device now, the host's rows count
            raise

    def _free_pool(self) -> None:
        with self._cuda.current(), self._memory:
            self._wipe()

    def _wipe(self) -> None:
        self._wipe_staging()
        for name, pointer in self._pool.items():
            self._cuda.clear(pointer, self._staging[name].array.nbytes, self._stream)
        self._cuda.synchronise(self._stream)

    def _wipe_staging(self) -> None:
        """What lies on the host, whatever the device says to the rest."""
        for block in self._staging.values():
            block.array[:] = 0

    def _allocated(self, capacity: int) -> _Memory:
        """Memory for so many slots; all of it or none."""
        with self._cuda.current(), ExitStack() as undo:
            pool, staging = {}, {}
            for name, size in self._row_bytes.items():
                nbytes = max(capacity, 1) * size  # CUDA gives no empty memory
                pool[name] = self._cuda.allocate(nbytes)
                undo.callback(self._cuda.free, pool[name])
                staging[name] = self._cuda.allocate_host(nbytes, mapped=False)
                undo.callback(self._cuda.free_host, staging[name])
            return _Memory(pool, staging, undo.pop_all())

    def _take(self, memory: _Memory) -> None:
        self._pool, self._staging, self._memory = memory.pool, memory.staging, memory.closing
        self._stale = set(range(len(next(iter(self.arrays.values()), ()))))

    def _touch(self, slot: int, *, wipe: bool = False) -> None:
        """The host's row is the newest now. A track that ended leaves nothing of its states on the device."""
        self._stale.add(slot)
        for step in [step for step, (slots, _) in self._resident.items() if slot in slots]:
            del self._resident[step]
        if wipe and self._pool:  # there is none after a device that did not come back
            with suppress(DeviceError):  # a device that fails here fails at the next step, where it is dealt with
                self._wipe_slot(slot)

    def _wipe_slot(self, slot: int) -> None:
        """Overwrite a slot's row, and the buffers of every step that has held it since they were overwritten last."""
        rows = {name: slice(slot * size, (slot + 1) * size) for name, size in self._row_bytes.items()}
        for name, block in self._staging.items():
            block.array[rows[name]] = 0
        with self._cuda.current():
            try:
                for name, pool in self._pool.items():
                    self._cuda.clear(pool + rows[name].start, self._row_bytes[name], self._stream)
                for step in [step for step, slots in self._held.items() if slot in slots]:
                    self._resident.pop(step, None)
                    with step.waited():
                        step.wipe_states()
                    del self._held[step]
            finally:
                self._cuda.synchronise(self._stream)

    def _bring(self, step: TensorRtStep, slots: tuple[int, ...]) -> None:
        """The states of some slots, from the host or the pool, to where the step reads them."""
        mine = set(slots)
        for other in [s for s, (theirs, _) in self._resident.items() if not mine.isdisjoint(theirs)]:
            del self._resident[other]  # the pool will be newer than its buffers
        self._upload(sorted(mine & self._stale), step.stream)
        self._stale -= mine
        for name, size in self._row_bytes.items():
            target = step.buffers.state_address(name, step.side)
            for row, slot, count in runs(slots):
                self._cuda.copy(target + row * size, self._pool[name] + slot * size, count * size, step.stream)

    def _upload(self, slots: list[int], stream: Any) -> None:
        for name, size in self._row_bytes.items():
            staging = self._staging[name].array.reshape(-1, size)
            for _, slot, count in runs(slots):
                rows = slice(slot, slot + count)
                staging[rows] = self._arrays[name][rows].reshape(count, -1).view(np.uint8)
                self._cuda.upload(self._pool[name] + slot * size, staging[rows].reshape(-1), stream)

    def _scatter(self, step: TensorRtStep, slots: tuple[int, ...]) -> None:
        for name, size in self._row_bytes.items():
            source = step.buffers.state_address(name, step.side)  # the sides have changed places
            for row, slot, count in runs(slots):
                self._cuda.copy(self._pool[name] + slot * size, source + row * size, count * size, step.stream)


def runs(slots: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """(first row, first slot, length) of each stretch in which slots follow one another."""
    start = 0
    for row in range(1, len(slots) + 1):
        if row == len(slots) or slots[row] != slots[row - 1] + 1:
            yield start, slots[start], row - start
            start = row
