"""Each rule of the fakes, broken once, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.runtime.trt.bench import ROWS, Bench, captured, popped, run
from tests.support.fake_cuda import FakeDriver
from tests.support.fake_tensorrt import Generation, ILogger, runtime_module
from tests.support.step_graphs import HIDDEN


def _freed_before_the_end(bench: Bench) -> None:
    context, addresses = bench.ready()
    context.execute_async_v3(int(bench.stream))
    bench.driver.cuMemFree(addresses["face"])


def _freed_before_the_step(bench: Bench) -> None:
    context, addresses = bench.ready()
    bench.driver.cuMemFree(addresses["face"])
    run(bench, context)


def _memory_too_small(bench: Bench) -> None:
    context, _ = bench.ready()
    context.set_tensor_address("face", bench.allocate(ROWS["face"] - 4))
    run(bench, context)


def _host_memory_as_address(bench: Bench) -> None:
    context, _ = bench.ready()
    context.set_tensor_address("face", bench.pinned(4096) // 256 * 256)
    run(bench, context)


def _unaligned(bench: Bench) -> None:
    context, addresses = bench.ready()
    context.set_tensor_address("hidden", addresses["face"] + 4)


def _address_missing(bench: Bench) -> None:
    context = bench.shaped()
    for name, nbytes in list(ROWS.items())[:-1]:
        context.set_tensor_address(name, bench.allocate(nbytes))
    run(bench, context)


def _address_taken_back(bench: Bench) -> None:
    context, _ = bench.ready()
    context.set_tensor_address("quality", 0)
    run(bench, context)


def _shape_before_profile(bench: Bench) -> None:
    bench.context(profile=None).set_input_shape("hidden", (1, HIDDEN))


def _shape_forgotten(bench: Bench) -> None:
    context, _ = bench.ready()
    context.set_optimization_profile_async(1, int(bench.stream))  # which forgets all shapes
    run(bench, context)


def _destroyed_stream(bench: Bench) -> None:
    context, _ = bench.ready()
    bench.driver.cuStreamDestroy(bench.stream)
    context.execute_async_v3(int(bench.stream))


def _profile_in_a_destroyed_stream(bench: Bench) -> None:
    bench.driver.cuStreamDestroy(bench.stream)
    bench.context()


def _copy_in_a_destroyed_stream(bench: Bench) -> None:
    bench.driver.cuStreamDestroy(bench.stream)
    bench.driver.cuMemcpyDtoDAsync(bench.allocate(8), bench.allocate(8), 8, bench.stream)


def _stream_with_work_destroyed(bench: Bench) -> None:
    bench.driver.cuMemcpyDtoDAsync(bench.allocate(8), bench.allocate(8), 8, bench.stream)
    bench.driver.cuStreamDestroy(bench.stream)


def _pageable(bench: Bench) -> None:
    plain = np.zeros(8, np.uint8)
    bench.driver.cuMemcpyHtoDAsync(bench.allocate(8), plain.ctypes.data, 8, bench.stream)


def _pageable_target(bench: Bench) -> None:
    plain = np.zeros(8, np.uint8)
    bench.driver.cuMemcpyDtoHAsync(plain.ctypes.data, bench.allocate(8), 8, bench.stream)


def _over_the_end_of_pinned(bench: Bench) -> None:
    bench.driver.cuMemcpyHtoDAsync(bench.allocate(16), bench.pinned(8), 16, bench.stream)


def _over_the_end_of_device_memory(bench: Bench) -> None:
    bench.driver.cuMemcpyDtoDAsync(bench.allocate(8), bench.allocate(16), 16, bench.stream)
    bench.finish()


def _freed_twice(bench: Bench) -> None:
    pointer = bench.allocate(8)
    bench.driver.cuMemFree(pointer)
    bench.driver.cuMemFree(pointer)


def _pinned_freed_twice(bench: Bench) -> None:
    pointer = bench.pinned(8)
    bench.driver.cuMemFreeHost(pointer)
    bench.driver.cuMemFreeHost(pointer)


def _pinned_freed_in_use(bench: Bench) -> None:
    pointer = bench.pinned(8)
    bench.driver.cuMemcpyHtoDAsync(bench.allocate(8), pointer, 8, bench.stream)
    bench.driver.cuMemFreeHost(pointer)


def _blocking_stream(bench: Bench) -> None:
    bench.driver.cuStreamCreate(0)


def _capture_with_allocation(bench: Bench) -> None:
    bench.driver.cuStreamBeginCapture(bench.stream, 1)
    bench.allocate(8)


def _capture_with_synchronisation(bench: Bench) -> None:
    bench.driver.cuStreamBeginCapture(bench.stream, 1)
    bench.finish()


def _capture_with_work_waiting(bench: Bench) -> None:
    bench.driver.cuMemcpyDtoDAsync(bench.allocate(8), bench.allocate(8), 8, bench.stream)
    bench.driver.cuStreamBeginCapture(bench.stream, 1)


def _capture_of_a_first_step(bench: Bench) -> None:
    context, _ = bench.ready()
    bench.driver.cuStreamBeginCapture(bench.stream, 1)
    context.execute_async_v3(int(bench.stream))


def _graph_destroyed(bench: Bench) -> None:
    graph = captured(bench, bench.ready()[0])
    bench.driver.cuGraphExecDestroy(graph)
    bench.driver.cuGraphLaunch(graph, bench.stream)


def _graph_destroyed_twice(bench: Bench) -> None:
    graph = captured(bench, bench.ready()[0])
    bench.driver.cuGraphExecDestroy(graph)
    bench.driver.cuGraphExecDestroy(graph)


def _graph_without_its_context(bench: Bench) -> None:
    graph = captured(bench, bench.ready()[0])  # nobody keeps the context
    bench.driver.cuGraphLaunch(graph, bench.stream)
    bench.finish()


def _graph_without_its_memory(bench: Bench) -> None:
    context, addresses = bench.ready()
    graph = captured(bench, context)
    bench.driver.cuMemFree(addresses["hidden"])
    bench.driver.cuGraphLaunch(graph, bench.stream)
    bench.finish()


def _event_destroyed(bench: Bench) -> None:
    _, event = bench.driver.cuEventCreate(0)
    bench.driver.cuEventDestroy(event)
    bench.driver.cuEventRecord(event, bench.stream)


def _event_destroyed_twice(bench: Bench) -> None:
    _, event = bench.driver.cuEventCreate(0)
    bench.driver.cuEventDestroy(event)
    bench.driver.cuEventDestroy(event)


def _time_of_a_destroyed_event(bench: Bench) -> None:
    _, event = bench.driver.cuEventCreate(0)
    bench.driver.cuEventDestroy(event)
    bench.driver.cuEventElapsedTime(event, event)


def _context_made_outside(bench: Bench) -> None:
    with popped(bench.driver):
        bench.engine.create_execution_context()


def _step_outside(bench: Bench) -> None:
    context, _ = bench.ready()
    with popped(bench.driver):
        context.execute_async_v3(int(bench.stream))


def _allocation_outside(bench: Bench) -> None:
    with popped(bench.driver):
        bench.allocate(8)


def _pop_without_push(bench: Bench) -> None:
    with popped(bench.driver):
        bench.driver.cuCtxPopCurrent()


def _release_without_retain(bench: Bench) -> None:
    bench.driver.cuDevicePrimaryCtxRelease(0)
    bench.driver.cuDevicePrimaryCtxRelease(0)


def _push_of_a_context_that_is_not_held(bench: Bench) -> None:
    FakeDriver().cuCtxPushCurrent("context")


def _reset_while_current(bench: Bench) -> None:
    bench.driver.cuDevicePrimaryCtxReset(0)


def _logger_not_constructed(bench: Bench) -> None:
    silent = type("Silent", (ILogger,), {"__init__": lambda self: None})
    runtime_module(Generation.V10_3, bench.driver).Runtime(silent())


FAULTS: dict[Callable[[Bench], None], str] = {
    _freed_before_the_end: "device memory is freed while work is waiting",
    _freed_before_the_step: "is no live device memory",
    _memory_too_small: "run over their memory",
    _host_memory_as_address: "is no live device memory",
    _unaligned: "'hidden' is not aligned to 256",
    _address_missing: r"without the addresses of \['quality'\]",
    _address_taken_back: r"without the addresses of \['quality'\]",
    _shape_before_profile: "before the profile",
    _shape_forgotten: "before every input has its shape",
    _destroyed_stream: "a stream that is not alive",
    _profile_in_a_destroyed_stream: "a stream that is not alive",
    _copy_in_a_destroyed_stream: "a stream is used that was destroyed",
    _stream_with_work_destroyed: "destroyed with work in it",
    _pageable: "not page-locked",
    _pageable_target: "not page-locked",
    _over_the_end_of_pinned: "not page-locked",
    _over_the_end_of_device_memory: "run over their memory",
    _freed_twice: "or is free already",
    _pinned_freed_twice: "no page-locked memory",
    _pinned_freed_in_use: "page-locked memory is freed while work is waiting",
    _blocking_stream: "waits for the default one",
    _capture_with_allocation: "cuMemAlloc is called while a graph is captured",
    _capture_with_synchronisation: "cuStreamSynchronize is called while a graph is captured",
    _capture_with_work_waiting: "a capture begins while work is waiting",
    _capture_of_a_first_step: "has not run since its profile was set",
    _graph_destroyed: "a graph is launched that was destroyed",
    _graph_destroyed_twice: "a graph is destroyed twice",
    _graph_without_its_context: "whose execution context is gone",
    _graph_without_its_memory: "is no live device memory",
    _event_destroyed: "an event is recorded that was destroyed",
    _event_destroyed_twice: "an event is destroyed twice",
    _time_of_a_destroyed_event: "asked for that was destroyed",
    _context_made_outside: "without a current context",
    _step_outside: "without a current context",
    _allocation_outside: "without a current context",
    _pop_without_push: "a context is popped that was not pushed",
    _release_without_retain: "released more often than it was retained",
    _push_of_a_context_that_is_not_held: "made current that is not held",
    _reset_while_current: "reset while it is current",
    _logger_not_constructed: "own constructor was not called",
}
