"""Every rule of the fakes, broken on purpose: a fake that lets something pass proves nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from crystaledge.engine.trt.cuda_python import CudaPython
from tests.runtime.trt.bench import BUCKETS, ROWS, Bench, bench_of, captured, current, popped
from tests.runtime.trt.device_faults import FAULTS
from tests.support.fake_cuda import Code, FakeDriver, Violation
from tests.support.fake_tensorrt import Generation
from tests.support.step_graphs import HIDDEN


@pytest.fixture
def bench() -> Iterator[Bench]:
    driver = FakeDriver()
    with current(driver):
        yield bench_of(driver)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__.strip("_").replace("_", "-"))
def test_a_broken_rule_is_a_violation(fault: Callable[[Bench], None]) -> None:
    driver = FakeDriver()
    driver.cuDevicePrimaryCtxRetain(0)
    driver.cuCtxPushCurrent("context")
    with pytest.raises(Violation, match=FAULTS[fault]):
        fault(bench_of(driver))


def test_the_same_steps_without_a_fault_pass(bench: Bench) -> None:
    context, addresses = bench.ready()
    graph = captured(bench, context)
    bench.driver.cuGraphLaunch(graph, bench.stream)
    bench.finish()
    assert np.isfinite(bench.driver.at(addresses["hidden_next"], ROWS["hidden_next"]).view(np.float32)).all()
    bench.driver.cuGraphExecDestroy(graph)
    for pointer in addresses.values():
        bench.driver.cuMemFree(pointer)
    bench.driver.cuStreamDestroy(bench.stream)
    assert not any(bench.driver.live.values())


def test_a_result_that_is_read_before_the_end_is_not_there(bench: Bench) -> None:
    context, addresses = bench.ready()
    before = bench.driver.at(addresses["velocity"], 4).copy()
    context.execute_async_v3(int(bench.stream))
    assert (bench.driver.at(addresses["velocity"], 4) == before).all()
    bench.finish()
    assert not (bench.driver.at(addresses["velocity"], 4) == before).all()


def test_an_input_that_is_changed_before_the_end_is_the_one_that_counts(bench: Bench) -> None:
    cuda = CudaPython(driver=bench.driver)
    block, target = cuda.allocate_host(8, mapped=False), bench.allocate(8)
    block.array[...] = 1
    cuda.upload(target, block.array, bench.stream)
    block.array[...] = 2
    bench.finish()
    assert (bench.driver.at(target, 8) == 2).all()


def test_fresh_memory_is_not_zero(bench: Bench) -> None:
    assert not (bench.driver.at(bench.allocate(8), 8) == 0).any()


def test_an_address_is_never_given_out_twice(bench: Bench) -> None:
    pointer = bench.allocate(8)
    bench.driver.cuMemFree(pointer)
    assert bench.allocate(8) != pointer


@pytest.mark.parametrize(
    "shape", [pytest.param((2, HIDDEN), id="rows"), pytest.param((1,), id="rank"), pytest.param((0, HIDDEN), id="none")]
)
def test_a_shape_outside_of_the_profile_is_not_taken(bench: Bench, shape: tuple[int, ...]) -> None:
    context = bench.context()
    assert not context.set_input_shape("hidden", shape)
    assert context.infer_shapes() == ["face", "hidden"]


def test_unknown_names_and_profiles_are_not_taken(bench: Bench) -> None:
    assert not bench.context().set_tensor_address("mood", 256)
    with pytest.raises(RuntimeError, match="Error in set optimization profile async"):
        bench.context(profile=len(BUCKETS))


@pytest.mark.parametrize("generation", Generation, ids=lambda generation: generation.value)
def test_before_10_a_profile_belongs_to_one_context_unless_it_was_built_to_be_shared(generation: Generation) -> None:
    driver = FakeDriver()
    with current(driver):
        bench = bench_of(driver, generation=generation, sharing=False)
        first = bench.context()
        if generation is Generation.V8_6:
            with pytest.raises(RuntimeError, match="Error in set optimization profile async"):
                bench.context()
            bench.context(profile=1)
            del first
        bench.context()


def test_zero_bytes_and_more_than_there_are_are_refused(bench: Bench) -> None:
    assert bench.driver.cuMemAlloc(0)[0] == 1
    assert bench.driver.cuMemHostAlloc(0, 1)[0] == 1
    assert bench.driver.cuMemAlloc(bench.driver.total_bytes + 1)[0] == 2


def test_a_capture_of_its_own_thread_does_not_forbid_others_to_allocate(bench: Bench) -> None:
    codes = []

    def elsewhere() -> None:
        bench.driver.cuCtxPushCurrent("context")
        codes.append(bench.driver.cuMemAlloc(8)[0])
        bench.driver.cuCtxPopCurrent()

    bench.driver.cuStreamBeginCapture(bench.stream, 1)
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert codes == [Code.CUDA_SUCCESS]


def test_a_device_that_broke_stays_broken_until_it_is_reset(bench: Bench) -> None:
    bench.driver.fail_in = 0
    bench.driver.cuMemcpyDtoDAsync(bench.allocate(8), bench.allocate(8), 8, bench.stream)
    assert bench.driver.cuStreamSynchronize(bench.stream) == (Code.CUDA_ERROR_ILLEGAL_ADDRESS,)
    assert bench.driver.cuMemAlloc(8)[0] is Code.CUDA_ERROR_ILLEGAL_ADDRESS
    with popped(bench.driver):
        bench.driver.cuDevicePrimaryCtxReset(0)
    assert bench.driver.cuMemAlloc(8)[0] is Code.CUDA_SUCCESS
    assert bench.driver.orphans == ["Engine", "Runtime"]


def test_time_is_not_there_before_the_work_is_done(bench: Bench) -> None:
    (_, start), (_, end) = bench.driver.cuEventCreate(0), bench.driver.cuEventCreate(0)
    bench.driver.cuEventRecord(start, bench.stream)
    bench.driver.cuMemcpyDtoDAsync(bench.allocate(8), bench.allocate(8), 8, bench.stream)
    bench.driver.cuEventRecord(end, bench.stream)
    assert bench.driver.cuEventElapsedTime(start, end)[0] is Code.CUDA_ERROR_NOT_READY
    bench.finish()
    assert bench.driver.cuEventElapsedTime(start, end) == (Code.CUDA_SUCCESS, 2.0)


def test_what_dies_without_a_context_is_noted(bench: Bench) -> None:
    context = bench.context()
    with popped(bench.driver):
        del context
    assert bench.driver.adrift == ["Context"]
