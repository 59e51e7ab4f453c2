"""Faults planted in the adapter: the lockstep with the host, or a rule of the fakes, finds each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import numpy as np
import pytest

from crystaledge.engine.bound_step import BoundStep
from crystaledge.engine.states import StateRows
from crystaledge.engine.trt.buffers import StepBuffers
from crystaledge.engine.trt.cuda import HostMemory
from crystaledge.engine.trt.cuda_python import CudaPython
from crystaledge.engine.trt.states import DeviceStates
from crystaledge.engine.trt.step import SIDES, TensorRtStep
from crystaledge.engine.trt.surface import TrtContext
from crystaledge.errors import CrystalEdgeError, DeviceError
from tests.runtime.trt.lockstep import WAY_NAMES, WAYS, Lockstep, faces_of
from tests.support.fake_cuda import Violation


def exercise(policy: HostMemory, capture: bool) -> None:
    """Something of everything that can happen to tracks on a device."""
    both = Lockstep(policy=policy, capture=capture)
    for track in range(6):
        both.create(track)
    for seed in range(2):
        both.advance(range(4), faces_of(4, seed))
    both.reset(2)
    both.advance(range(4), faces_of(4, 2))
    both.load(3, 7)
    both.advance(range(4), faces_of(4, 3))
    both.advance([3, 0, 2, 1], faces_of(4, 4))
    both.advance([0, 1], faces_of(2, 5))
    both.advance([3, 0, 2, 1], faces_of(4, 6))
    both.engine.run({spec.name: np.ones((4, *spec.row_shape), np.float32) for spec in both.graph.inputs})
    both.advance([3, 0, 2, 1], faces_of(4, 7))
    both.evict(1)
    both.create(9)
    both.advance([9, 5, 4, 0, 2, 3], faces_of(6, 8))
    assert both.fail([0, 2], faces_of(2, 9), after=3)
    both.advance([0, 2, 9], faces_of(3, 10))
    for at in count():
        if not both.refuse([0, 2, 9], faces_of(3, 11), at=at, done=True):
            break
        both.advance([0, 2, 9], faces_of(3, 12))
    both.reset(2)
    both.advance([0, 2, 9], faces_of(3, 13))
    both.close()


class _NoUpload(StepBuffers):
    def upload_observed(self, stream: Any) -> None: ...


class _NoDownload(StepBuffers):
    def download(self, side: int, stream: Any) -> None: ...


class _StatesOfTheWrongSide(StepBuffers):
    def state_address(self, name: str, side: int) -> int:
        return super().state_address(name, 1 - side)


class _OneBufferForBothStates(StepBuffers):
    def state_addresses(self, side: int) -> dict[str, int]:
        found = dict(super().state_addresses(side))
        return {**found, "hidden_next": found["hidden"]}


class _NothingFreed(StepBuffers):
    def close(self) -> None: ...


class _SidesStay(TensorRtStep):
    def enqueue(self) -> None:
        super().enqueue()
        self.side = 1 - self.side


class _StepsNotCounted(TensorRtStep):
    def enqueue(self) -> None:
        super().enqueue()
        self.taken = 0


class _OneSideCapturedTwice(TensorRtStep):
    def _capture(self) -> None:
        super()._capture()
        self._captured[1] = self._captured[0]


class _NotWarmedUp(TensorRtStep):
    def _capture(self) -> None:
        for side in SIDES:
            self._cuda.begin_capture(self.stream)
            self._put(side)
            self._captured.append(self._cuda.end_capture(self.stream))


class _AlwaysTheSameSide(TensorRtStep):
    def _point(self, context: TrtContext, side: int) -> None:
        super()._point(context, SIDES[0])


class _ResetUnseenByTheStep(DeviceStates):
    def _touch(self, slot: int, *, wipe: bool = False) -> None:
        self._stale.add(slot)


class _ResetUnseenByThePool(DeviceStates):
    def _touch(self, slot: int, *, wipe: bool = False) -> None:
        super()._touch(slot, wipe=wipe)
        self._stale.discard(slot)


class _NothingWiped(DeviceStates):
    def _touch(self, slot: int, *, wipe: bool = False) -> None:
        super()._touch(slot)


class _StepsNotWiped(TensorRtStep):
    def wipe_states(self) -> None: ...


class _NothingWipedAtTheEnd(DeviceStates):
    def _wipe(self) -> None: ...


class _StagingNotWiped(DeviceStates):
    def reset(self, slot: int) -> None:
        kept = {name: block.array.copy() for name, block in self._staging.items()}
        super().reset(slot)
        for name, block in self._staging.items():
            block.array[:] = kept[name]


class _StepsNotWipedAtTheEnd(StepBuffers):
    def wipe(self, stream: Any) -> None: ...


class _NothingCleared(CudaPython):
    def clear(self, pointer: int, nbytes: int, stream: Any) -> None: ...


class _HalfCleared(CudaPython):
    def clear(self, pointer: int, nbytes: int, stream: Any) -> None:
        super().clear(pointer, nbytes // 2, stream)


class _StaleAfterARefusal(DeviceStates):
    def advance(self, step: BoundStep, rows: Sequence[StateRows], slots: Sequence[int]) -> None:
        before = set(self._stale)
        try:
            super().advance(step, rows, slots)
        except CrystalEdgeError:
            self._stale = before - set(slots)
            raise


class _OthersKeepTheirRows(DeviceStates):
    def _bring(self, step: TensorRtStep, slots: tuple[int, ...]) -> None:
        kept = dict(self._resident)
        super()._bring(step, slots)
        self._resident = kept


class _NoScatter(DeviceStates):
    def _scatter(self, step: TensorRtStep, slots: tuple[int, ...]) -> None: ...


class _ScatterInOrderOfSlots(DeviceStates):
    def _scatter(self, step: TensorRtStep, slots: tuple[int, ...]) -> None:
        super()._scatter(step, tuple(sorted(slots)))


class _NothingBroughtAgain(DeviceStates):
    def renew(self) -> None:
        first = not self._pool and not hasattr(self, "_begun")
        super().renew()
        self._begun = True
        if not first:
            self._stale = set()


class _HalfAStepIsKept(DeviceStates):
    def advance(self, step: BoundStep, rows: Sequence[StateRows], slots: Sequence[int]) -> None:
        try:
            super().advance(step, rows, slots)
        except DeviceError:
            for state in rows:
                self._arrays[state.name][slots] = state.following + 1
            raise


class _NoWaiting(CudaPython):
    def synchronise(self, stream: Any) -> None: ...


class _NoContext(CudaPython):
    @contextmanager
    def current(self) -> Iterator[None]:
        yield


class _ContextLeftBehind(CudaPython):
    @contextmanager
    def current(self) -> Iterator[None]:
        self._call("cuCtxPushCurrent", self._context)
        yield


class _GraphsNeverDropped(CudaPython):
    def drop_graph(self, graph: Any) -> None: ...


class _ContextNotReleased(CudaPython):
    def close(self) -> None: ...


_BUFFERS = "crystaledge.engine.trt.step.StepBuffers"
_STEP = "crystaledge.engine.trt.engine.TensorRtStep"
_STATES = "crystaledge.engine.trt.engine.DeviceStates"
_CUDA = "tests.runtime.test_tensorrt_engine.CudaPython"
_DEVICE_ONLY: dict[type, HostMemory] = {_NoUpload: HostMemory.DEVICE}
_CAPTURE_ONLY: dict[type, bool] = {
    _OneSideCapturedTwice: True,
    _NotWarmedUp: True,
    _GraphsNeverDropped: True,
    _AlwaysTheSameSide: False,
}
PLACES: dict[str, list[type]] = {
    _BUFFERS: [
        _NoUpload,
        _NoDownload,
        _StatesOfTheWrongSide,
        _OneBufferForBothStates,
        _NothingFreed,
        _StepsNotWipedAtTheEnd,
    ],
    _STEP: [_SidesStay, _StepsNotCounted, _OneSideCapturedTwice, _NotWarmedUp, _AlwaysTheSameSide, _StepsNotWiped],
    _STATES: [
        _ResetUnseenByTheStep,
        _ResetUnseenByThePool,
        _OthersKeepTheirRows,
        _NoScatter,
        _ScatterInOrderOfSlots,
        _NothingBroughtAgain,
        _HalfAStepIsKept,
        _NothingWiped,
        _NothingWipedAtTheEnd,
        _StagingNotWiped,
        _StaleAfterARefusal,
    ],
    _CUDA: [
        _NoWaiting,
        _NoContext,
        _ContextLeftBehind,
        _GraphsNeverDropped,
        _ContextNotReleased,
        _NothingCleared,
        _HalfCleared,
    ],
}


def planted() -> Iterator[Any]:
    """(place, fault, way) for every way in which a fault can be seen."""
    for place, faults in PLACES.items():
        for fault in faults:
            for (policy, capture), name in zip(WAYS, WAY_NAMES, strict=True):
                if _DEVICE_ONLY.get(fault, policy) is policy and _CAPTURE_ONLY.get(fault, capture) is capture:
                    yield pytest.param(place, fault, policy, capture, id=f"{fault.__name__.strip('_')}-{name}")


@pytest.mark.parametrize(("policy", "capture"), WAYS, ids=WAY_NAMES)
def test_without_a_fault_everything_agrees(policy: HostMemory, capture: bool) -> None:
    exercise(policy, capture)


@pytest.mark.parametrize(("place", "fault", "policy", "capture"), list(planted()))
def test_a_planted_fault_is_found(
    place: str, fault: Callable[..., Any], policy: HostMemory, capture: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, fault)
    with pytest.raises((AssertionError, Violation)):
        exercise(policy, capture)
