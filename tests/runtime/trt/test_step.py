"""One bound step: what it holds, in which order it lets go, and that the context never stays behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from crystaledge.engine.trt.cuda import HostMemory
from crystaledge.engine.trt.cuda_python import CudaPython
from crystaledge.engine.trt.engine import TensorRtEngine
from crystaledge.engine.trt.step import TensorRtStep
from crystaledge.errors import DeviceError, EngineError
from tests.runtime.test_tensorrt_engine import fake_engine
from tests.support.engine_contract import example_feeds
from tests.support.fake_cuda import FakeDriver
from tests.support.fake_tensorrt import Context, Engine, Generation, plan_of
from tests.support.manifests import tiny_graph_spec
from tests.support.messages import message_of
from tests.support.step_graphs import tiny_step, tiny_step_bytes

NOTHING = {"device": 0, "host": 0, "streams": 0, "graphs": 0}


def tiny_engine(
    driver: FakeDriver, *, generation: Generation = Generation.V10_3, sharing: bool = True, **options: Any
) -> TensorRtEngine:
    """The tiny step on a fake device."""
    graph = tiny_graph_spec()
    plan = plan_of(tiny_step_bytes(), graph.batch.buckets, generation, profile_sharing=sharing)
    return fake_engine(graph, plan, generation=generation, driver=driver, **options)


@pytest.fixture
def driver() -> Iterator[FakeDriver]:
    """A device on which, whatever happens, no context stays behind."""
    device = FakeDriver()
    yield device
    assert device.depth == 0


def test_each_thread_has_its_own_step_context_and_stream(driver: FakeDriver) -> None:
    engine = tiny_engine(driver)
    meeting = threading.Barrier(2, timeout=30)

    def work(seed: int) -> tuple[TensorRtStep, bool]:
        step = engine.bind(2)
        assert isinstance(step, TensorRtStep)
        meeting.wait()  # both are alive at once, or one would be given the other's step
        for name, values in example_feeds(2, seed=seed).items():
            step.inputs[name][...] = values
        meeting.wait()
        step.run()
        expected = tiny_step(**example_feeds(2, seed=seed))
        meeting.wait()
        return step, all(np.allclose(step.outputs[name], values, atol=1e-6) for name, values in expected.items())

    with ThreadPoolExecutor(2) as pool:
        (first, right), (second, too) = pool.map(work, (1, 2))
    assert right and too
    assert first is not second
    assert int(first.stream) != int(second.stream)
    assert first._context is not second._context
    addresses = [set(step.buffers.addresses(0).values()) for step in (first, second)]
    assert not addresses[0] & addresses[1]
    del first, second
    engine.close()
    assert driver.live == NOTHING


@pytest.mark.parametrize("policy", HostMemory, ids=lambda policy: policy.value)
def test_a_step_lets_go_in_the_order_that_cuda_and_tensorrt_want(driver: FakeDriver, policy: HostMemory) -> None:
    engine = tiny_engine(driver, policy=policy)
    step = engine.bind(2)
    assert isinstance(step, TensorRtStep)
    step.run()
    assert driver.live["graphs"] == 2 and driver.live["streams"] == 1
    driver.calls.clear()
    step.close()
    kinds = list(dict.fromkeys(driver.calls))
    assert kinds[:3] == ["cuMemsetD8Async", "cuStreamSynchronize", "cuGraphExecDestroy"]
    assert kinds[-1] == "cuStreamDestroy"
    assert set(kinds[3:-1]) == {"cuMemFree", "cuMemFreeHost"}
    # Both buffers of the state, the face and three results: everything that a device can reach.
    assert driver.calls.count("cuMemsetD8Async") == 2 + 1 + 3
    assert driver.live == NOTHING
    assert driver.adrift == []  # the context went while the CUDA context was current
    assert step.inputs == {} and step.outputs == {}


def test_surplus_rows_are_computed_and_never_seen(driver: FakeDriver) -> None:
    engine = tiny_engine(driver)
    step = engine.bind(3)
    assert isinstance(step, TensorRtStep)
    assert step.batch == 3
    assert {name: len(array) for name, array in (*step.inputs.items(), *step.outputs.items())} == dict.fromkeys(
        [spec.name for spec in (*engine.graph.inputs, *engine.graph.outputs)], 3
    )
    assert {len(array) for array in step.buffers.host.values()} == {4}
    engine.close()


def test_a_backend_that_records_no_graphs_runs_the_steps_themselves(
    driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CudaPython, "begin_capture", lambda cuda, stream: False)
    engine = tiny_engine(driver)
    for _ in range(2):
        found = engine.run(example_feeds(2))
    assert driver.live["graphs"] == 0
    assert "execute_async_v3" in driver.calls and "cuGraphLaunch" not in driver.calls
    np.testing.assert_allclose(found["hidden_next"], tiny_step(**example_feeds(2))["hidden_next"], atol=1e-6)
    engine.close()


def test_nothing_is_allocated_once_a_step_is_bound(driver: FakeDriver) -> None:
    engine = tiny_engine(driver)
    engine.run(example_feeds(2))
    before = driver.live
    driver.calls.clear()
    for seed in range(5):
        engine.run(example_feeds(2, seed=seed))
    assert driver.live == before
    assert set(driver.calls) == {"cuMemcpyHtoDAsync", "cuGraphLaunch", "cuStreamSynchronize"}
    engine.close()


def test_a_timed_step_is_timed_by_the_device_and_leaves_no_event(driver: FakeDriver) -> None:
    for policy, work in ((HostMemory.DEVICE, 1 + 1 + 3 + 1), (HostMemory.MAPPED, 1 + 1)):
        engine = tiny_engine(driver, policy=policy)
        first, second = engine.time_steps(2, 2)
        assert first.compute_ms == second.compute_ms == work + 1  # of a step, and the mark before it
        assert first.enqueue_ms > 0
        assert not driver.marks
        engine.close()


def _no_context(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(engine: Engine) -> None:
        engine._refuse("[executionContext.cpp::executionContext::635] Error Code 2:\n  OutOfMemory")

    monkeypatch.setattr(Engine, "create_execution_context", none)


def _profile_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Context,
        "set_optimization_profile_async",
        lambda context, profile_index, stream_handle: context._engine._refuse("no such profile"),
    )


def _shape_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Context, "set_input_shape", lambda context, name, shape: context._engine._refuse(f"the shape of {name}")
    )


def _address_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Context, "set_tensor_address", lambda context, name, memory: context._engine._refuse(f"the address of {name}")
    )


def _input_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "infer_shapes", lambda context: ["hidden", "mood"])


def _run_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(context: Context, stream_handle: int) -> bool:
        context._engine._refuse("Error Code 7: Internal Error\n  (a cause)")
        return context._engine._refuse("a consequence")

    monkeypatch.setattr(Context, "execute_async_v3", refused)


REFUSALS: dict[Callable[[pytest.MonkeyPatch], None], str] = {
    _no_context: "TensorRT could not make an execution context: [executionContext.cpp::executionContext::635] "
    "Error Code 2: OutOfMemory; is the device out of memory?",
    _profile_refused: "TensorRT does not take the profile, a shape or an address for 2 rows of 'step': "
    "no such profile.",
    _shape_refused: "TensorRT does not take the profile, a shape or an address for 2 rows of 'step': "
    "the shape of face.",
    _address_refused: "TensorRT does not take the profile, a shape or an address for 2 rows of 'step': "
    "the address of face.",
    _input_unknown: "TensorRT does not take hidden, mood for 2 rows of 'step': it gave no reason.",
    _run_refused: "TensorRT refused to run 'step' with 2 rows: Error Code 7: Internal Error (a cause).",
}
each_refusal = pytest.mark.parametrize("refuse", REFUSALS, ids=lambda refuse: refuse.__name__.strip("_"))


@each_refusal
def test_what_tensorrt_refuses_is_one_line(
    refuse: Callable[[pytest.MonkeyPatch], None], driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = tiny_engine(driver)
    refuse(monkeypatch)
    with pytest.raises(EngineError) as raised:
        engine.bind(2)
    assert message_of(raised) == REFUSALS[refuse]
    assert driver.depth == 0 and driver.adrift == []


def test_every_refusal_has_its_own_reason(driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    step = tiny_engine(driver, capture=False).bind(2)
    for reason in ("the first", "the second"):
        monkeypatch.setattr(
            Context, "execute_async_v3", lambda context, handle, reason=reason: context._engine._refuse(reason)
        )
        with pytest.raises(EngineError) as raised:
            step.run()
        assert message_of(raised) == f"TensorRT refused to run 'step' with 2 rows: {reason}."


def test_a_refusal_while_a_graph_is_recorded_is_told_like_any_other(
    driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody may wait for a stream that records, not even to ask what went wrong."""
    runs = Context.execute_async_v3

    def refused(context: Context, stream_handle: int) -> bool:
        if driver.streams[stream_handle].recording is not None:
            return context._engine._refuse("it cannot be captured")
        return runs(context, stream_handle)

    monkeypatch.setattr(Context, "execute_async_v3", refused)
    engine = tiny_engine(driver)
    with pytest.raises(EngineError) as raised:
        engine.bind(2)
    assert message_of(raised) == "TensorRT refused to run 'step' with 2 rows: it cannot be captured."
    assert driver.live == NOTHING
    engine.close()


@pytest.mark.parametrize("capture", [True, False], ids=["graphs", "eager"])
def test_a_device_that_failed_is_no_refusal_of_tensorrt(
    capture: bool, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = tiny_engine(driver, capture=capture)
    step = None if capture else engine.bind(2)

    def failed(context: Context, stream_handle: int) -> bool:
        driver.breaks()
        return context._engine._refuse("CUDA initialization failure with error: 700")

    monkeypatch.setattr(Context, "execute_async_v3", failed)
    with pytest.raises(DeviceError) as raised:
        engine.bind(2) if step is None else step.run()
    assert message_of(raised) == "CUDA's cuStreamSynchronize failed with CUDA_ERROR_ILLEGAL_ADDRESS (700)."
    monkeypatch.undo()
    del step
    engine.restart()  # which a refusal would not lead to
    found = engine.run(example_feeds(2))["hidden_next"]
    np.testing.assert_allclose(found, tiny_step(**example_feeds(2))["hidden_next"], atol=1e-6)
    engine.close()
    assert driver.live == NOTHING and driver.retained == 0


@pytest.mark.parametrize("capture", [True, False], ids=["graphs", "eager"])
def test_an_engine_of_rtx_is_never_captured(capture: bool, driver: FakeDriver) -> None:
    """It replaces its kernels while it runs, and has CUDA graphs of its own."""
    engine = tiny_engine(driver, generation=Generation.RTX_1_7, capture=capture)
    for batch in (1, 2, 3, 4):
        engine.run(example_feeds(batch))
    assert not {"cuStreamBeginCapture", "cuStreamEndCapture", "cuGraphInstantiate", "cuGraphLaunch"} & {*driver.calls}
    assert driver.calls.count("execute_async_v3") == 4 and driver.live["graphs"] == 0
    engine.close()
    standard = tiny_engine(driver, capture=capture)
    standard.bind(2)
    assert ("cuStreamBeginCapture" in driver.calls) == capture
    standard.close()


def test_a_run_that_is_refused_later_is_one_line(driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny_engine(driver, capture=False)
    step = engine.bind(2)
    _run_refused(monkeypatch)
    with pytest.raises(EngineError) as raised:
        step.run()
    assert message_of(raised) == REFUSALS[_run_refused]
    assert driver.depth == 0
    monkeypatch.undo()
    step.run()
    engine.close()
    assert driver.live == NOTHING


@each_refusal
def test_a_step_that_cannot_be_made_leaves_nothing_behind(
    refuse: Callable[[pytest.MonkeyPatch], None], driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = tiny_engine(driver)
    refuse(monkeypatch)
    with pytest.raises(EngineError):
        engine.bind(2)
    engine.close()
    assert driver.live == NOTHING


@pytest.mark.parametrize("total", range(0, 4096, 1024))
def test_a_device_that_is_too_small_is_left_as_it_was(driver: FakeDriver, total: int) -> None:
    engine = tiny_engine(driver)
    driver.total_bytes = total
    with pytest.raises(DeviceError) as raised:
        engine.bind(4)
    assert "the device is out of memory" in message_of(raised)
    driver.total_bytes = 1 << 30
    engine.bind(4)
    engine.close()
    assert driver.live == NOTHING


def test_a_profile_that_8_6_gives_to_one_context_alone_serves_one_thread(driver: FakeDriver) -> None:
    """A step has one context for both sides of its buffers; only a second thread needs PROFILE_SHARING_0806."""
    engine = tiny_engine(driver, generation=Generation.V8_6, sharing=False)
    for batch in (1, 2, 4, 2):
        found, expected = engine.run(example_feeds(batch)), tiny_step(**example_feeds(batch))
        np.testing.assert_allclose(found["hidden_next"], expected["hidden_next"], atol=1e-6)
    before = driver.live
    with ThreadPoolExecutor(1) as pool, pytest.raises(EngineError) as raised:
        pool.submit(engine.bind, 2).result()
    assert driver.live == before
    told = "TensorRT does not take the profile, a shape or an address for 2 rows of 'step'"
    assert message_of(raised) == f"{told}: Profile 1 has been chosen by another IExecutionContext."
