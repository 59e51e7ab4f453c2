"""A TensorRT engine behind the runtime's seam: opens a plan, binds buckets, restarts after a failure of the device."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress

from crystaledge.engine.base import Engine
from crystaledge.engine.bound_step import BoundStep
from crystaledge.engine.states import StateMemory
from crystaledge.engine.trt.border import contradictions, profiles_of
from crystaledge.engine.trt.cuda import Cuda, HostMemory
from crystaledge.engine.trt.flavour import Flavour
from crystaledge.engine.trt.logger import Log, log_of
from crystaledge.engine.trt.states import DeviceStates
from crystaledge.engine.trt.step import StepTime, TensorRtStep
from crystaledge.engine.trt.surface import TrtEngine, TrtModule
from crystaledge.errors import ContractError, DeviceError, EngineError
from crystaledge.manifest.model import GraphSpec
from crystaledge.tensors import StatePair


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
        self._profiles: dict[int, int] = {}
        self._engine: TrtEngine | None = self._open()

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
                self._forget()
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
        with suppress(DeviceError), self._cuda.current():  # TensorRT frees what it has where it was made
            self._engine = None
        self._engine = None  # where there is no context any more to do it in
        with suppress(DeviceError):
            self._cuda.close()

    def _forget(self) -> None:
        """Steps and states of a context that is about to go."""
        for memory in self._memories:
            memory.lost()
        while self._bound:
            self._bound.popitem()[1].buffers.wipe_host()

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
        wrong = None
        with self._cuda.current():
            engine = self._deserialised(log)
            if engine is not None:
                wrong = next(contradictions(self.graph, engine, self._module), None)
            if engine is not None and wrong is None:
                self._profiles = profiles_of(self.graph, engine)
            else:
                engine = None  # here, where it was made, and not when somebody lets go of the error
        if wrong is not None:
            raise ContractError(wrong)
        if engine is None:
            msg = f"TensorRT {self._module.__version__} refuses the engine file: {log.reason()}; build it again."
            raise EngineError(msg)
        return engine
