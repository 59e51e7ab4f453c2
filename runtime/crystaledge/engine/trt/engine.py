"""A TensorRT engine behind the runtime's seam: opens a plan, binds buckets, restarts after a failure of the device."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress

from crystaledge.engine.base import Engine
from crystaledge.engine.bound_step import BoundStep
from crystaledge.engine.states import StateMemory
from crystaledge.engine.trt.cuda import Cuda, HostMemory
from crystaledge.engine.trt.flavour import Flavour
from crystaledge.engine.trt.logger import Log, log_of
from crystaledge.engine.trt.states import DeviceStates
from crystaledge.engine.trt.step import StepTime, TensorRtStep
from crystaledge.engine.trt.surface import TrtEngine, TrtModule
from crystaledge.errors import ContractError, DeviceError, EngineError
from crystaledge.manifest.model import GraphSpec
from crystaledge.tensors import BATCH, StatePair, TensorSpec


class TensorRtEngine(Engine):
    """Runs a plan on one device. Each thread has its own steps, and so its own contexts and streams.

    Args:
        plan: the engine file.
        policy: how frames reach the device; None takes `MAPPED` where host and device share memory.
        capture: record CUDA graphs, where the backend can.

    Raises:
        ContractError: the plan's border or its profiles are not what the manifest promises.
        EngineError: TensorRT refuses the plan.
    """

    def __init__(
        self,
        graph: GraphSpec,
        plan: bytes,
        *,
        flavour: Flavour,
        module: TrtModule,
        cuda: Cuda,
        policy: HostMemory | None = None,
        capture: bool = True,
    ) -> None:
        super().__init__(graph)
        self.name = flavour.value
        self.device = cuda.facts()
        self.version = module.__version__
        self._plan, self._module, self._cuda = plan, module, cuda
        # TensorRT-RTX replaces its kernels while it runs and has CUDA graphs of its own; a capture would pin the first.
        self._capture = capture and flavour is Flavour.TENSORRT
        self._policy = policy or (HostMemory.MAPPED if self.device.integrated else HostMemory.DEVICE)
        self._bound: dict[tuple[int, int], TensorRtStep] = {}
        self._memories: list[DeviceStates] = []
        self._engine: TrtEngine | None = self._open()
        self._profiles = _profiles(graph, self._engine)

    def bind(self, batch: int) -> BoundStep:
        """See `Engine.bind`; steps belong to the thread that bound them."""
        key = threading.get_ident(), batch
        if key not in self._bound:
            self._bound[key] = self._bind(batch)
        return self._bound[key]

    def state_memory(self, states: Sequence[StatePair], capacity: int) -> StateMemory:
        """States on the device."""
        memory = DeviceStates(self._cuda, states, capacity)
        self._memories.append(memory)
        return memory

    def time_steps(self, batch: int, count: int) -> tuple[StepTime, ...]:
        """Where the time of so many steps goes; states of tracks that rest in that step's buffers are brought anew."""
        step = self.bind(batch)
        assert isinstance(step, TensorRtStep)
        return tuple(step.time() for _ in range(count))

    def restart(self) -> None:
        """After a `DeviceError`: a fresh context, the plan opened again, states as after the last whole step.

        Steps that were bound before must not be used any more.

        Raises:
            EngineError: the device does not come back.
        """
        try:
            with self._cuda.current():  # TensorRT frees what it has where it was made
                for memory in self._memories:
                    memory.lost()
                self._bound.clear()
                self._engine = None
            self._cuda.reset()
            self._engine = self._open()
            for memory in self._memories:
                memory.revive()
        except DeviceError as error:
            msg = f"{error} The device does not come back in this process; start it again (--restore takes up tracks)."
            raise DeviceError(msg) from error

    def close(self) -> None:
        """Free everything on the device in order; the engine is done after that."""
        while self._bound:
            with suppress(DeviceError):  # a context that failed takes all of it along
                self._bound.popitem()[1].close()
        while self._memories:
            with suppress(DeviceError):
                self._memories.pop().close()
        if self._engine is not None:
            with suppress(DeviceError), self._cuda.current():  # TensorRT frees what it has where it was made
                self._engine = None
        self._cuda.close()

    def _bind(self, batch: int) -> TensorRtStep:
        if self._engine is None:
            msg = f"The engine of {self.graph.name!r} is closed."
            raise EngineError(msg)
        buckets = sorted(self._profiles)
        place = bisect_left(buckets, batch)
        if batch < 1 or place == len(buckets):
            low, high = self.graph.batch.min, self.graph.batch.max
            msg = f"Batch {batch} is outside of {low} to {high}, the range of {self.graph.name!r}."
            raise ContractError(msg)
        return TensorRtStep(
            self.graph,
            batch,
            rows=buckets[place],
            profile=self._profiles[buckets[place]],
            engine=self._engine,
            cuda=self._cuda,
            policy=self._policy,
            capture=self._capture,
            log=log_of(self._module.ILogger),
        )

    def _deserialised(self, log: Log) -> TrtEngine | None:
        try:
            runtime = self._module.Runtime(log.native)
        except TypeError:  # what 8.6 to 10.3 raise where the driver is no good
            return None
        return None if runtime is None else runtime.deserialize_cuda_engine(self._plan)

    def _open(self) -> TrtEngine:
        log = log_of(self._module.ILogger)
        log.clear()
        with self._cuda.current():
            engine = self._deserialised(log)
        if engine is None:
            msg = f"TensorRT {self._module.__version__} refuses the engine file: {log.reason()}; build it again."
            raise EngineError(msg)
        _check_border(self.graph, engine, self._module)
        return engine


def _check_border(graph: GraphSpec, engine: TrtEngine, module: TrtModule) -> None:
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    _check_side(graph, graph.inputs, [n for n in names if engine.get_tensor_mode(n) == module.TensorIOMode.INPUT])
    _check_side(graph, graph.outputs, [n for n in names if engine.get_tensor_mode(n) == module.TensorIOMode.OUTPUT])
    for spec in (*graph.inputs, *graph.outputs):
        shape, kind = tuple(engine.get_tensor_shape(spec.name)), engine.get_tensor_dtype(spec.name)
        if kind != module.DataType.FLOAT or shape != (-1, *spec.row_shape):
            msg = (
                f"Graph {graph.name!r}: {spec.name!r} is {kind} {list(shape)} in its file; the manifest "
                f"promises {spec.dtype.value} {[BATCH, *spec.row_shape]}."
            )
            raise ContractError(msg)


def _check_side(graph: GraphSpec, specs: tuple[TensorSpec, ...], found: list[str]) -> None:
    if sorted(spec.name for spec in specs) != sorted(found):
        msg = (
            f"Graph {graph.name!r} has the tensors {sorted(found)} in its file and "
            f"{sorted(s.name for s in specs)} in the manifest; build the engine again."
        )
        raise ContractError(msg)


def _profiles(graph: GraphSpec, engine: TrtEngine) -> dict[int, int]:
    """Number of the profile for each bucket: one whose range holds it, the narrowest first."""
    name = graph.inputs[0].name
    found: dict[int, tuple[int, int]] = {}
    for profile in range(engine.num_optimization_profiles):
        low, _, high = (int(shape[0]) for shape in engine.get_tensor_profile_shape(name, profile))
        for bucket in graph.batch.buckets:
            if low <= bucket <= high and (bucket not in found or high - low < found[bucket][0]):
                found[bucket] = (high - low, profile)
    missing = [bucket for bucket in graph.batch.buckets if bucket not in found]
    if missing:
        msg = f"The engine of {graph.name!r} has no profile for {missing} rows; build it again."
        raise ContractError(msg)
    return {bucket: profile for bucket, (_, profile) in found.items()}
