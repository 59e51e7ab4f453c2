"""A fake device with an engine of the tiny step, to be used by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.fake_cuda import Code, FakeDriver
from tests.support.fake_tensorrt import Context, Engine, Generation, ILogger, plan_of, runtime_module
from tests.support.step_graphs import HIDDEN, SIDE, tiny_step_bytes

BUCKETS = (1, 2)
ROWS = {
    "face": 3 * SIDE * SIDE * 4,
    "hidden": HIDDEN * 4,
    "hidden_next": HIDDEN * 4,
    "velocity": 4,
    "log_variance": 4,
    "quality": 4,
}


@dataclass
class Bench:
    """A device with an engine and a stream; a context of one row is ready to run."""

    driver: FakeDriver
    engine: Engine
    stream: Any

    def allocate(self, nbytes: int) -> int:
        """Device memory."""
        code, pointer = self.driver.cuMemAlloc(nbytes)
        assert code is Code.CUDA_SUCCESS
        return pointer

    def pinned(self, nbytes: int) -> int:
        """Page-locked memory."""
        code, pointer = self.driver.cuMemHostAlloc(nbytes, 1)
        assert code is Code.CUDA_SUCCESS
        return pointer

    def context(self, *, profile: int | None = 0) -> Context:
        """A context, with a profile unless None."""
        context = self.engine.create_execution_context()
        assert context is not None
        if profile is not None:
            assert context.set_optimization_profile_async(profile, int(self.stream))
        return context

    def shaped(self) -> Context:
        """A context with all shapes, and no address."""
        context = self.context()
        assert context.set_input_shape("face", (1, 3, SIDE, SIDE)) and context.set_input_shape("hidden", (1, HIDDEN))
        return context

    def ready(self) -> tuple[Context, dict[str, int]]:
        """A context that lacks nothing, and the addresses that it was given."""
        context, addresses = self.shaped(), {name: self.allocate(nbytes) for name, nbytes in ROWS.items()}
        assert all(context.set_tensor_address(name, pointer) for name, pointer in addresses.items())
        return context, addresses

    def finish(self) -> None:
        """Do the work that waits."""
        self.driver.cuStreamSynchronize(self.stream)


def bench_of(driver: FakeDriver, *, generation: Generation = Generation.V10_3, sharing: bool = True) -> Bench:
    """An engine of the tiny step on a device whose context is current."""
    plan = plan_of(tiny_step_bytes(), BUCKETS, generation, profile_sharing=sharing)
    engine = runtime_module(generation, driver).Runtime(ILogger()).deserialize_cuda_engine(plan)
    code, stream = driver.cuStreamCreate(1)
    assert code is Code.CUDA_SUCCESS
    return Bench(driver, engine, stream)


@contextmanager
def current(driver: FakeDriver) -> Iterator[None]:
    """The context is current inside."""
    driver.cuDevicePrimaryCtxRetain(0)
    driver.cuCtxPushCurrent("context")
    yield
    driver.cuCtxPopCurrent()
    driver.cuDevicePrimaryCtxRelease(0)


@contextmanager
def popped(driver: FakeDriver) -> Iterator[None]:
    """No context is current inside."""
    driver.cuCtxPopCurrent()
    try:
        yield
    finally:
        driver.cuCtxPushCurrent("context")


def run(bench: Bench, context: Context) -> None:
    """One step, to its end."""
    assert context.execute_async_v3(int(bench.stream))
    bench.finish()


def captured(bench: Bench, context: Context) -> Any:
    """A captured graph of one step."""
    run(bench, context)
    bench.driver.cuStreamBeginCapture(bench.stream, 1)
    context.execute_async_v3(int(bench.stream))
    _, recorded = bench.driver.cuStreamEndCapture(bench.stream)
    _, graph = bench.driver.cuGraphInstantiate(recorded, 0)
    return graph
