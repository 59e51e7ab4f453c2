"""One graph at one bucket in TensorRT: fixed addresses, one execution context and one captured graph for each side."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from crystaledge.engine.base import BoundStep
from crystaledge.engine.trt.buffers import StepBuffers
from crystaledge.engine.trt.cuda import Cuda, HostMemory
from crystaledge.engine.trt.surface import TrtContext, TrtEngine
from crystaledge.errors import DeviceError, EngineError
from crystaledge.manifest.model import GraphSpec

SIDES = (0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """Where one step's time goes. Where enqueueing takes longer than computing, a captured graph helps."""

    enqueue_ms: float
    """Of the host, until everything is in the stream."""
    compute_ms: float
    """Of the device, copies included, between two CUDA events."""


class TensorRtStep(BoundStep):
    """See `BoundStep`. States stay on the device between two calls of `enqueue`; `run` brings them from the host.

    Args:
        rows: size of the bucket, at least `batch`; surplus rows are computed and never seen.
        profile: the engine's optimization profile of that size.
        capture: record CUDA graphs, where the backend can.
    """

    def __init__(
        self,
        graph: GraphSpec,
        batch: int,
        *,
        rows: int,
        profile: int,
        engine: TrtEngine,
        cuda: Cuda,
        policy: HostMemory,
        capture: bool,
    ) -> None:
        self._cuda, self._graph, self._rows = cuda, graph, rows
        self._closing = ExitStack()
        self._captured: list[Any] = []
        self.side = 0
        """Which buffer of each state pair is read next."""
        self.taken = 0
        """Steps so far: whoever left states in the buffers sees by it whether they are still there."""
        self._contexts: list[TrtContext] = []
        with cuda.current():
            self.stream = cuda.make_stream()
            self._closing.callback(cuda.drop_stream, self.stream)
            try:
                self.buffers = StepBuffers(cuda, graph, rows, policy)
                self._closing.callback(self.buffers.close)
                for side in SIDES:
                    self._contexts.append(self._context(engine, profile, side))
                super().__init__(graph, batch, buffer=lambda spec: self.buffers.host[spec.name][:batch])
                if capture:
                    self._capture()
            except BaseException:
                self._abandon()
                raise

    def run(self) -> None:
        """See `BoundStep.run`; states are taken from the host's rows."""
        with self._cuda.current():
            self.buffers.upload_states(self.side, self.stream)
            self.enqueue()
            self._cuda.synchronise(self.stream)

    def enqueue(self) -> None:
        """Put one step into the stream, with the copies of what comes and goes; the sides change places.

        To be called, and later synchronised, inside of the context.
        """
        if self._captured:
            self._cuda.launch(self._captured[self.side], self.stream)
        else:
            self._put(self.side)
        self.side = 1 - self.side
        self.taken += 1

    def time(self) -> StepTime:
        """Take one step on what lies in the buffers, and see where its time goes."""
        cuda = self._cuda
        with cuda.current(), ExitStack() as events:
            start, end = cuda.make_event(), cuda.make_event()
            events.callback(cuda.drop_event, start)
            events.callback(cuda.drop_event, end)
            cuda.record(start, self.stream)
            begun = perf_counter()
            self.enqueue()
            enqueued = perf_counter()
            cuda.record(end, self.stream)
            cuda.synchronise(self.stream)
            return StepTime(enqueue_ms=(enqueued - begun) * 1e3, compute_ms=cuda.elapsed_ms(start, end))

    def close(self) -> None:
        """Free everything, in the order that CUDA and TensorRT want."""
        with self._cuda.current():
            self._cuda.synchronise(self.stream)
            self._let_go()

    def _abandon(self) -> None:
        """Let go of a step that could not be made; what the device says to that is less than what went wrong before."""
        try:
            self._cuda.synchronise(self.stream)
            self._let_go()
        except DeviceError:
            self._contexts.clear()

    def _let_go(self) -> None:
        """Captured graphs, then contexts, then the memory that they point to."""
        while self._captured:
            self._cuda.drop_graph(self._captured.pop())
        self._contexts.clear()
        self.inputs, self.outputs = {}, {}
        self._closing.close()

    def _put(self, side: int) -> None:
        self.buffers.upload_observed(self.stream)
        if not self._contexts[side].execute_async_v3(self._cuda.handle(self.stream)):
            msg = f"TensorRT refused to run the graph {self._graph.name!r} with {self._rows} rows."
            raise EngineError(msg)
        self.buffers.download(side, self.stream)

    def _capture(self) -> None:
        """Run each side once, so that TensorRT has set itself up, then record it."""
        for side in SIDES:
            self._put(side)
            self._cuda.synchronise(self.stream)
        for side in SIDES:
            if not self._cuda.begin_capture(self.stream):
                return
            try:
                self._put(side)
            finally:  # a stream that goes on recording could not even be let go of
                self._captured.append(self._cuda.end_capture(self.stream))

    def _context(self, engine: TrtEngine, profile: int, side: int) -> TrtContext:
        context = engine.create_execution_context()
        if context is None:
            msg = "TensorRT could not make an execution context; the device may be out of memory."
            raise EngineError(msg)
        sound = _takes_profile(context, profile, self._cuda.handle(self.stream))
        self._cuda.synchronise(self.stream)
        for spec in self._graph.inputs:
            sound = sound and context.set_input_shape(spec.name, (self._rows, *spec.row_shape))
        for name, address in self.buffers.addresses(side).items():
            sound = sound and context.set_tensor_address(name, address)
        missing = list(context.infer_shapes()) if sound else ["the profile, a shape or an address"]
        if missing:
            msg = f"TensorRT does not take {', '.join(missing)} for {self._rows} rows of {self._graph.name!r}."
            raise EngineError(msg)
        return context


def _takes_profile(context: TrtContext, profile: int, stream: int) -> bool:
    """TensorRT raises here where it answers with False everywhere else."""
    try:
        return context.set_optimization_profile_async(profile, stream)
    except RuntimeError:
        return False
