"""A store whose states lie on a (fake) device and one whose states lie on the host, which are told the same."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine
from crystaledge.engine.trt.cuda import HostMemory
from crystaledge.errors import CrystalEdgeError, DeviceError
from crystaledge.manifest.model import GraphSpec
from crystaledge.tracks.stepper import Stepper
from crystaledge.tracks.store import StateStore
from tests.runtime.test_tensorrt_engine import fake_engine
from tests.support.fake_cuda import Code, FakeDriver
from tests.support.fake_cuda_device import Bytes
from tests.support.fake_tensorrt import Context, Generation, plan_of
from tests.support.manifests import state_pair, tensor, tiny_graph_spec
from tests.support.step_graphs import tiny_step_model

Array = NDArray[np.float32]

WAYS = [(policy, capture) for policy in HostMemory for capture in (True, False)]
WAY_NAMES = [f"{policy.value}-{'graphs' if capture else 'eager'}" for policy, capture in WAYS]
MEMORY = state_pair("memory", 3, 2, initial=-1.0)


def two_state_spec() -> GraphSpec:
    """The tiny step with a second state of another shape; neither begins at zero."""
    tiny = tiny_graph_spec()
    return replace(
        tiny,
        inputs=(*tiny.inputs, tensor("memory", 3, 2)),
        outputs=(*tiny.outputs, tensor("memory_next", 3, 2)),
        states=(replace(tiny.states[0], initial=0.5), MEMORY),
    )


def two_state_bytes() -> bytes:
    """Its ONNX file: the memory halves, and the new hidden state is added to it."""
    model = tiny_step_model()
    graph = model.graph
    graph.input.append(helper.make_tensor_value_info("memory", TensorProto.FLOAT, ["batch", 3, 2]))
    graph.output.append(helper.make_tensor_value_info("memory_next", TensorProto.FLOAT, ["batch", 3, 2]))
    graph.initializer.append(numpy_helper.from_array(np.array([0, 3, 2], np.int64), "row"))
    graph.initializer.append(numpy_helper.from_array(np.array(0.5, np.float32), "half"))
    graph.node.append(helper.make_node("Reshape", ["hidden_next", "row"], ["news"]))
    graph.node.append(helper.make_node("Mul", ["memory", "half"], ["faded"]))
    graph.node.append(helper.make_node("Add", ["faded", "news"], ["memory_next"]))
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def random_state(graph: GraphSpec, seed: int) -> dict[str, Array]:
    """A state that no other seed gives."""
    random = np.random.default_rng(seed)
    return {pair.input: random.uniform(-1, 1, pair.shape).astype(np.float32) for pair in graph.states}


def bits(array: Array) -> NDArray[np.uint32]:
    """Its bits, for which NaN equals itself and -0.0 is not 0.0."""
    return np.ascontiguousarray(array).view(np.uint32)


class Lockstep:
    """Does everything twice, with ONNX Runtime on the host as the truth, and compares every bit.

    Args:
        graph: with its model; by default the step of two states.
    """

    def __init__(
        self,
        *,
        policy: HostMemory = HostMemory.DEVICE,
        capture: bool = True,
        generation: Generation = Generation.V10_3,
        graph: tuple[GraphSpec, bytes] | None = None,
        driver: FakeDriver | None = None,
        capacity: int = 2,
    ) -> None:
        self.graph, model = graph or (two_state_spec(), two_state_bytes())
        self.driver = driver or FakeDriver()
        plan = plan_of(model, self.graph.batch.buckets, generation)
        self.engine = fake_engine(
            self.graph, plan, generation=generation, driver=self.driver, policy=policy, capture=capture
        )
        self.device = StateStore(self.graph.states, capacity=capacity, memory=self.engine.state_memory)
        self.host = StateStore(self.graph.states, capacity=capacity)
        self.stepper = Stepper(self.engine, self.device)
        self.reference = Stepper(OnnxRuntimeEngine(self.graph, model), self.host)
        self._known: dict[int, set[bytes]] = {}
        """Every state that a live track has had, row by row."""
        self._secrets: set[bytes] = set()
        """Those of all tracks there ever were."""
        self._spilled = 0
        """How many of them lay in memory when it was freed."""
        self.driver.before_free = self._look_at
        self.check()

    def create(self, track: int, *, frame: int = 0) -> None:
        """See `StateStore.create`."""
        for store in (self.device, self.host):
            store.create(track, frame=frame)
        self.check()

    def reset(self, track: int) -> None:
        """See `StateStore.reset`."""
        for store in (self.device, self.host):
            store.reset(track)
        self._forgotten(track)
        self.check()

    def evict(self, track: int) -> None:
        """See `StateStore.evict`."""
        for store in (self.device, self.host):
            store.evict(track)
        self._forgotten(track)
        self.check()

    def load(self, track: int, seed: int) -> None:
        """Load a state that the seed makes."""
        for store in (self.device, self.host):
            store.load(track, random_state(self.graph, seed))
        self.check()

    def advance(self, tracks: Sequence[int], faces: Array) -> None:
        """One frame that shows these tracks, one face each, in as many calls as are needed."""
        for chunk in self.stepper.chunks(len(tracks)):
            members = list(tracks[chunk.start : chunk.stop])
            for stepper in (self.stepper, self.reference):
                stepper.stage(len(members))["face"][: len(members)] = faces[chunk.start : chunk.stop]
            found, expected = self.stepper.advance(members), self.reference.advance(members)
            for name, values in expected.items():
                assert (bits(found[name]) == bits(values)).all(), f"{name} differs"
        self.check()

    def fail(self, tracks: Sequence[int], faces: Array, *, after: int) -> bool:
        """Advance while the device breaks after some work, and restart the engine; whether it broke before the end.

        The reference takes no part: whatever was done when the device broke must not be seen.
        """
        self.stepper.stage(len(tracks))["face"][: len(tracks)] = faces
        self.driver.fail_in = after
        try:
            self.stepper.advance(tracks)
        except DeviceError:
            self.check()
            self.stepper.forget()
            self.engine.restart()
            self.check()
            return True
        finally:
            self.driver.fail_in = None
        self.reference.stage(len(tracks))["face"][: len(tracks)] = faces
        self.reference.advance(tracks)
        self.check()
        return False

    def refuse(self, tracks: Sequence[int], faces: Array, *, at: int, done: bool) -> str:
        """Advance while one call of the step is answered with an error, and do not restart; which, if it came so far.

        Args:
            at: which call of the driver or of TensorRT.
            done: it does its work all the same.
        """
        self.stepper.stage(len(tracks))["face"][: len(tracks)] = faces
        calls = Refusing(self.driver, at, done=done)
        with calls:
            try:
                self.stepper.advance(tracks)
            except CrystalEdgeError:
                assert calls.refused
        if not calls.refused:
            self.reference.stage(len(tracks))["face"][: len(tracks)] = faces
            self.reference.advance(tracks)
        self.check()
        return calls.refused

    def check(self) -> None:
        """Both hold the same tracks in the same slots with the same states, to the last bit."""
        assert not self._spilled, "states are left in memory that is freed"
        assert self.device.tracks == self.host.tracks
        assert self.device.slots(self.device.tracks) == self.host.slots(self.host.tracks)
        for name, values in self.host.arrays.items():
            assert (bits(self.device.arrays[name]) == bits(values)).all(), f"states of {name} differ"
            initial = next(pair.initial for pair in self.graph.states if pair.input == name)
            for track in self.host.tracks:
                row = values[self.host.slot(track)]
                if (row != initial).any():
                    self._known.setdefault(track, set()).add(row.tobytes())
                    self._secrets.add(row.tobytes())

    def close(self) -> None:
        """Close the engine; nothing may be left of it."""
        self.engine.close()
        assert not self._spilled, "states are left in memory that is freed"
        assert self.driver.live == {"device": 0, "host": 0, "streams": 0, "graphs": 0}
        assert self.driver.retained == 0 and not self.driver.marks

    def left(self, secrets: Collection[bytes]) -> set[bytes]:
        """Which of these rows of a state still lie in memory of the device, or in memory that it reads and writes."""
        sizes = {len(row) for row in secrets}
        found = {row for block in self.driver.blocks for size in sizes for row in _rows(block, size)}
        return found & set(secrets)

    def _forgotten(self, track: int) -> None:
        mine = self._known.pop(track, set()).difference(*self._known.values())
        assert not self.left(mine), f"states of track {track} are left, which has ended"

    def _look_at(self, block: Bytes) -> None:
        for size in {len(row) for row in self._secrets}:
            self._spilled += len(self._secrets & _rows(block, size))


class Refusing:
    """Answers one call with an error, once, while the device itself is sound."""

    def __init__(self, driver: FakeDriver, at: int, *, done: bool) -> None:
        self.refused = ""
        self._driver, self._left, self._done = driver, at, done
        self._execute = Context.execute_async_v3

    def __enter__(self) -> None:
        for name in _STEP_CALLS:
            setattr(self._driver, name, partial(self._call, name, getattr(self._driver, name)))
        Context.execute_async_v3 = self._bound()  # type: ignore[method-assign, assignment]

    def __exit__(self, *error: object) -> None:
        for name in _STEP_CALLS:
            delattr(self._driver, name)
        Context.execute_async_v3 = self._execute  # type: ignore[method-assign]

    def _call(self, name: str, function: Callable[..., tuple[Code]], *arguments: Any) -> tuple[Code]:
        self._left -= 1
        if self._left != -1:
            return function(*arguments)
        self.refused = name
        if self._done:
            function(*arguments)
        return (Code.CUDA_ERROR_NOT_READY,)

    def _bound(self) -> Callable[[Context, int], bool]:
        def execute_async_v3(context: Context, stream_handle: int) -> bool:
            self._left -= 1
            if self._left == -1:
                self.refused = "execute_async_v3"
                return context._engine._refuse("not today")
            return self._execute(context, stream_handle)

        return execute_async_v3


_STEP_CALLS = (
    "cuMemcpyHtoDAsync",
    "cuMemcpyDtoDAsync",
    "cuMemcpyDtoHAsync",
    "cuGraphLaunch",
    "cuStreamSynchronize",
)


def _rows(block: Bytes, size: int) -> set[bytes]:
    return {block[start : start + size].tobytes() for start in range(0, len(block) - size + 1, size)}


def faces_of(count: int, seed: int, graph: GraphSpec | None = None) -> Array:
    """Random faces."""
    shape = (graph or tiny_graph_spec()).input("face").row_shape
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(np.float32)
