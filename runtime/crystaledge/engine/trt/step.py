"""One graph at one bucket in TensorRT: one execution context, and a captured graph for each side of its buffers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from crystaledge.engine.bound_step import BoundStep
from crystaledge.engine.trt.buffers import StepBuffers
from crystaledge.engine.trt.context import execution_context
from crystaledge.engine.trt.cuda import Cuda, HostMemory
from crystaledge.engine.trt.logger import Log
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
        log: where TensorRT says why it refused something.
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
        log: Log,
    ) -> None:
        self._cuda, self._graph, self._rows, self._log = cuda, graph, rows, log
        self._closing = ExitStack()
        self._captured: list[Any] = []
        self.side = 0
        """Which buffer of each state pair is read next."""
        self.taken = 0
        """Steps so far: whoever left states in the buffers sees by it whether they are still there."""
        self._context: TrtContext | None = None
        with cuda.current():
            self.stream = cuda.make_stream()
            self._closing.callback(cuda.drop_stream, self.stream)
            try:
                self.buffers = StepBuffers(cuda, graph, rows, policy)
                self._closing.callback(self.buffers.close)
                self._context = execution_context(
                    engine,
                    graph,
                    rows=rows,
                    profile=profile,
                    addresses=self.buffers.addresses(SIDES[0]),
                    stream=cuda.handle(self.stream),
                    log=log,
                )
                cuda.synchronise(self.stream)
                super().__init__(graph, batch, buffer=lambda spec: self.buffers.host[spec.name][:batch])
                if capture:
                    self._capture()
            except BaseException:
                self._abandon()
                raise

    def run(self) -> None:
        """See `BoundStep.run`; states are taken from the host's rows."""
        with self._cuda.current(), self.waited():
            self.buffers.upload_states(self.side, self.stream)
            self.enqueue()

    def enqueue(self) -> None:
        """Put one step into the stream, with the copies of what comes and goes; the sides change places.

        To be called inside of the context and of `waited`.
        """
        if self._captured:
            self._cuda.launch(self._captured[self.side], self.stream)
        else:
            self._put(self.side)
        self.side = 1 - self.side
        self.taken += 1

    @contextmanager
    def waited(self) -> Iterator[None]:
        """Wait for what is put into the stream inside, even if putting it fails: it must not land on what comes next.

        Raises:
            DeviceError: some of it failed.
        """
        try:
            yield
            self._cuda.synchronise(self.stream)
        except BaseException:
            with suppress(DeviceError):
                self._cuda.synchronise(self.stream)
            raise

    def time(self) -> StepTime:
        """Take one step on what lies in the buffers, and see where its time goes."""
        cuda = self._cuda
        with cuda.current(), ExitStack() as events:
            start = cuda.make_event()
            events.callback(cuda.drop_event, start)
            end = cuda.make_event()
            events.callback(cuda.drop_event, end)
            with self.waited():
                cuda.record(start, self.stream)
                begun = perf_counter()
                self.enqueue()
                enqueued = perf_counter()
                cuda.record(end, self.stream)
            return StepTime(enqueue_ms=(enqueued - begun) * 1e3, compute_ms=cuda.elapsed_ms(start, end))

    def close(self) -> None:
        """Free everything, in the order that CUDA and TensorRT want."""
        with self._cuda.current():
            with suppress(DeviceError), self.waited():  # a broken device's memory can only be let go of
                self.buffers.wipe(self.stream)
            self._let_go()

    def wipe_states(self) -> None:
        """Overwrite what is left of tracks that have ended; nobody's states rest here after that."""
        self.taken += 1
        self.buffers.wipe_states(self.stream)

    def _abandon(self) -> None:
        """Let go of a step that could not be made; what the device says to that is less than what went wrong before."""
        with suppress(DeviceError):
            self._cuda.synchronise(self.stream)
        with suppress(DeviceError):
            self._let_go()

    def _let_go(self) -> None:
        """Captured graphs, then the context, then the memory that they point to; all of it, whatever fails."""
        self.inputs, self.outputs = {}, {}
        with self._closing:
            self._closing.callback(self._forget_context)
            for graph in self._captured:
                self._closing.callback(self._cuda.drop_graph, graph)
            self._captured = []

    def _forget_context(self) -> None:
        self._context = None

    def _put(self, side: int, *, recording: bool = False) -> None:
        assert self._context is not None
        self._log.clear()
        self._point(self._context, side)
        self.buffers.upload_observed(self.stream)
        if not self._context.execute_async_v3(self._cuda.handle(self.stream)):
            if not recording:  # nobody may wait for a stream that records
                self._cuda.synchronise(self.stream)  # a failure of the device shows here, as what it is
            msg = f"TensorRT refused to run {self._graph.name!r} with {self._rows} rows: {self._log.reason()}."
            raise EngineError(msg)
        self.buffers.download(side, self.stream)

    def _point(self, context: TrtContext, side: int) -> None:
        """Let the context read the states of one side and write those of the other."""
        for name, address in self.buffers.state_addresses(side).items():
            if not context.set_tensor_address(name, address):
                msg = f"TensorRT does not take an address for {name!r}: {self._log.reason()}."
                raise EngineError(msg)

    def _capture(self) -> None:
        """Run each side once, so that TensorRT has set itself up, then record it."""
        for side in SIDES:
            self._put(side)
            self._cuda.synchronise(self.stream)
        for side in SIDES:
            if not self._cuda.begin_capture(self.stream):
                return
            try:
                self._put(side, recording=True)
            except BaseException:
                with suppress(DeviceError):  # a stream that goes on recording could not even be let go of
                    self._captured.append(self._cuda.end_capture(self.stream))
                raise
            self._captured.append(self._cuda.end_capture(self.stream))
