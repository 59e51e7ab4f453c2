"""A TensorRT engine as a whole: what it refuses to open, which profile serves whom, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from crystaledge.engine.trt.cuda_python import CudaPython
from crystaledge.engine.trt.engine import TensorRtEngine
from crystaledge.engine.trt.flavour import Flavour
from crystaledge.engine.trt.logger import Log, log_of
from crystaledge.errors import ContractError, CrystalEdgeError, DeviceError, EngineError
from crystaledge.manifest.model import BatchRange, GraphSpec
from crystaledge.tracks.stepper import Stepper
from crystaledge.tracks.store import StateStore
from tests.runtime.test_tensorrt_engine import fake_engine
from tests.runtime.trt.lockstep import Lockstep, faces_of
from tests.support.engine_contract import example_feeds
from tests.support.fake_cuda import FakeDriver
from tests.support.fake_tensorrt import Generation, ILogger, plan_of, runtime_module, serialised
from tests.support.manifests import tiny_graph_spec
from tests.support.messages import message_of
from tests.support.step_graphs import HIDDEN, SIDE, tiny_step, tiny_step_bytes, tiny_step_model

NOTHING = {"device": 0, "host": 0, "streams": 0, "graphs": 0}


@pytest.fixture
def driver() -> Iterator[FakeDriver]:
    """A device on which, whatever happens, no context stays behind."""
    device = FakeDriver()
    yield device
    assert device.depth == 0


def ranges(*spans: tuple[int, int]) -> bytes:
    """An engine of the tiny step with profiles of these ranges of rows."""
    shapes = {"face": [3, SIDE, SIDE], "hidden": [HIDDEN]}
    profiles = [{name: [[low, *row], [low, *row], [high, *row]] for name, row in shapes.items()} for low, high in spans]
    return serialised(tiny_step_bytes(), profiles, Generation.V10_3)


def plan(model: bytes | None = None, *, generation: Generation = Generation.V10_3) -> bytes:
    """An engine with one profile a bucket."""
    return plan_of(model or tiny_step_bytes(), tiny_graph_spec().batch.buckets, generation)


def refusal(driver: FakeDriver, data: bytes, kind: type[CrystalEdgeError], graph: GraphSpec | None = None) -> str:
    """What is said of an engine file."""
    with pytest.raises(kind) as raised:
        fake_engine(graph or tiny_graph_spec(), data, driver=driver)
    assert driver.live == NOTHING
    assert driver.adrift == []  # although the error with its traceback is still there
    return message_of(raised)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(
            plan(generation=Generation.V8_6),
            "The engine plan file is of 8.6.1, expecting 10.3.0.",
            id="another-version",
        ),
        pytest.param(plan()[:-9], "Serialization assertion plan.header.size == blobSize failed.", id="truncated"),
        pytest.param(b"junk", "Serialization assertion header.magicTag == kEXPECTED_MAGIC_TAG failed.", id="junk"),
    ],
)
def test_a_file_that_tensorrt_refuses_says_why(driver: FakeDriver, data: bytes, reason: str) -> None:
    expected = f"TensorRT 10.3.0 refuses the engine file: {reason}; build it again."
    assert refusal(driver, data, EngineError) == expected


def test_an_output_that_the_manifest_does_not_know_is_refused(driver: FakeDriver) -> None:
    graph = tiny_graph_spec()
    message = refusal(driver, plan(), ContractError, replace(graph, outputs=graph.outputs[:-1]))
    assert "'quality'" in message and message.endswith("in the manifest; build the engine again.")


def test_a_border_of_half_the_bits_is_refused(driver: FakeDriver) -> None:
    model = tiny_step_model(face_type=TensorProto.FLOAT16).SerializeToString()
    message = refusal(driver, plan(model), ContractError)
    assert "'face' is DataType.HALF [-1, 3, 8, 8] in its file; the manifest promises float32" in message


@pytest.mark.parametrize(
    ("spans", "missing"),
    [
        pytest.param([(1, 1), (2, 2)], "[4]", id="the-largest"),
        pytest.param([(4, 4)], "[1, 2]", id="the-smaller"),
        pytest.param([], "[1, 2, 4]", id="all"),
        pytest.param([(5, 9)], "[1, 2, 4]", id="beside"),
    ],
)
def test_a_bucket_without_a_profile_is_refused(driver: FakeDriver, spans: list[tuple[int, int]], missing: str) -> None:
    message = refusal(driver, ranges(*spans), ContractError)
    assert message == f"The engine of 'step' has no profile for {missing} rows; build it again."


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        pytest.param([(1, 4)], {1: 0, 2: 0, 4: 0}, id="one-for-all"),
        pytest.param([(1, 64), (2, 2), (1, 4)], {1: 2, 2: 1, 4: 2}, id="the-narrowest"),
        pytest.param([(4, 4), (2, 2), (1, 1)], {1: 2, 2: 1, 4: 0}, id="in-any-order"),
    ],
)
def test_the_narrowest_profile_serves_a_bucket(
    driver: FakeDriver, spans: list[tuple[int, int]], expected: dict[int, int]
) -> None:
    engine = fake_engine(tiny_graph_spec(), ranges(*spans), driver=driver)
    assert engine._profiles == expected
    for batch in (1, 2, 3, 4):
        found, right = engine.run(example_feeds(batch)), tiny_step(**example_feeds(batch))
        np.testing.assert_allclose(found["hidden_next"], right["hidden_next"], atol=1e-6)
    engine.close()


def test_more_tracks_than_the_largest_bucket_are_refused(driver: FakeDriver) -> None:
    graph = replace(tiny_graph_spec(), batch=BatchRange(min=1, max=4, buckets=(1, 2, 4)))
    engine = fake_engine(graph, plan(), driver=driver)
    for batch in (5, 64):
        with pytest.raises(ContractError) as raised:
            engine.bind(batch)
        assert message_of(raised) == f"Batch {batch} is outside of 1 to 4, the range of 'step'."
    engine.close()


def test_a_closed_engine_says_so_and_may_be_closed_again(driver: FakeDriver) -> None:
    engine = fake_engine(tiny_graph_spec(), plan(), driver=driver)
    engine.state_memory(engine.graph.states, 4)
    engine.run(example_feeds(3))
    for _ in range(2):
        engine.close()
        assert driver.live == NOTHING
        assert driver.retained == 0
    with pytest.raises(EngineError) as raised:
        engine.bind(3)
    assert message_of(raised) == "The engine of 'step' is closed."


def test_a_broken_device_does_not_keep_an_engine_from_closing(driver: FakeDriver) -> None:
    both = Lockstep(driver=driver)
    both.create(0)
    both.advance([0], faces_of(1, 0))
    driver.breaks()
    with pytest.raises(DeviceError):
        both.stepper.stage(1)
        both.stepper.advance([0])
    both.engine.close()
    assert driver.retained == 0
    both.check()


def test_everything_of_tensorrt_ends_inside_of_the_context(driver: FakeDriver) -> None:
    engine = fake_engine(tiny_graph_spec(), plan(), driver=driver)
    engine.run(example_feeds(2))
    engine.close()
    assert driver.adrift == []


def test_a_restart_brings_back_every_store(driver: FakeDriver) -> None:
    engine = fake_engine(tiny_graph_spec(), plan(), driver=driver)
    first, second = (engine.state_memory(engine.graph.states, size) for size in (2, 5))
    first.load(1, {"hidden": np.full(HIDDEN, 3.0, np.float32)})
    old = engine.bind(2)
    del old
    engine.restart()
    assert driver.resets == 1 and driver.retained == 1
    assert (first.arrays["hidden"][1] == 3.0).all() and len(second.arrays["hidden"]) == 5
    found = engine.run(example_feeds(2))["hidden_next"]
    np.testing.assert_allclose(found, tiny_step(**example_feeds(2))["hidden_next"], atol=1e-6)
    engine.close()
    assert driver.live == NOTHING and driver.retained == 0


def test_two_stores_of_one_engine_leave_each_other_alone(driver: FakeDriver) -> None:
    """Both have their states in the same step's buffers by turns, and a track that ends there is wiped."""
    graph = tiny_graph_spec()
    engine = fake_engine(graph, plan(), driver=driver)
    stores = [StateStore(graph.states, memory=engine.state_memory) for _ in range(2)]
    steppers = [Stepper(engine, store) for store in stores]
    hidden = np.zeros((2, 1, HIDDEN), np.float32)
    faces = faces_of(12, 0, graph)
    for store in stores:
        store.create(0)
    for place, face in enumerate(faces):
        turn = place // 2 % 2  # each takes two steps in a row
        steppers[turn].stage(1)["face"][:1] = face
        hidden[turn] = tiny_step(face[None], hidden[turn])["hidden_next"]
        np.testing.assert_allclose(steppers[turn].advance([0])["hidden_next"], hidden[turn], atol=1e-5)
        if place % 2 == 0:  # between this one's two steps the other's track begins anew
            stores[1 - turn].reset(0)
            hidden[1 - turn] = 0.0
    engine.close()


def two_buckets(driver: FakeDriver) -> TensorRtEngine:
    """An engine of which one store has states in the steps of two buckets."""
    graph = tiny_graph_spec()
    engine = fake_engine(graph, plan(), driver=driver)
    store = StateStore(graph.states, memory=engine.state_memory)
    stepper = Stepper(engine, store)
    for track in range(5):
        store.create(track)
    for tracks in ([0, 1, 2, 3], [4]):
        stepper.stage(len(tracks))
        stepper.advance(tracks)
    return engine


def test_steps_of_all_buckets_end_inside_of_the_context_in_a_restart(driver: FakeDriver) -> None:
    engine = two_buckets(driver)
    engine.restart()
    assert driver.adrift == [] and driver.orphans == []
    engine.close()
    assert driver.adrift == []


def test_a_broken_device_lets_all_of_tensorrt_end_inside_of_the_context(driver: FakeDriver) -> None:
    engine = two_buckets(driver)
    driver.breaks()
    engine.close()
    assert driver.adrift == [] and driver.retained == 0


def opened_with(driver: FakeDriver, runtime: Callable[[Any], Any]) -> TensorRtEngine:
    """An engine whose TensorRT answers in another way when a runtime is made."""
    module = runtime_module(Generation.V10_3, driver)
    module.Runtime = runtime
    return TensorRtEngine(
        tiny_graph_spec(), plan(), flavour=Flavour.TENSORRT, module=module, cuda=CudaPython(driver=driver)
    )


def test_no_runtime_is_one_line(driver: FakeDriver) -> None:
    with pytest.raises(EngineError) as raised:
        opened_with(driver, lambda logger: None)
    assert "refuses the engine file: it gave no reason; build it again." in message_of(raised)


def test_a_runtime_that_cannot_be_made_is_one_line(driver: FakeDriver) -> None:
    def refuses(logger: Any) -> None:
        msg = "pybind11::init(): factory function returned nullptr"
        raise TypeError(msg)

    with pytest.raises(EngineError) as raised:
        opened_with(driver, refuses)
    message_of(raised)


NOISE = "[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime (In catchCudaError: cudaError 35)"


def test_the_first_error_is_the_reason_in_one_line() -> None:
    log = Log(ILogger)
    assert log.reason() == "it gave no reason"
    for severity, text in ((3, "talk"), (2, "a warning"), (1, NOISE), (1, "the\n  cause"), (0, "a consequence")):
        log.native.log(severity, text)
    assert log.reason() == "the cause"
    assert list(log.warnings) == ["a warning"]
    log.clear()
    assert log.reason() == "it gave no reason" and not log.warnings


def test_noise_is_the_reason_where_nothing_else_was_said() -> None:
    log = Log(ILogger)
    log.native.log(1, NOISE)
    assert log.reason() == NOISE


def test_a_process_has_one_log_for_each_tensorrt() -> None:
    assert log_of(ILogger) is log_of(ILogger)
