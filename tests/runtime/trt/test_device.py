"""The same truth on the real thing: a CUDA device, NVIDIA's TensorRT, and an engine that is built on the spot."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError

from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine
from crystaledge.engine.trt import open as opening
from crystaledge.engine.trt.engine import TensorRtEngine
from crystaledge.engine.trt.flavour import Flavour, load_module
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.errors import CrystalEdgeError, DeviceError, MissingExtraError
from crystaledge.manifest.model import GraphSpec
from crystaledge.tracks.stepper import Stepper
from crystaledge.tracks.store import StateStore
from crystaledge_export.trt.builder import BuildRequest, build_plan
from tests.runtime.trt.lockstep import faces_of
from tests.support.engine_contract import EngineContract
from tests.support.manifests import tiny_graph_spec
from tests.support.step_graphs import tiny_step_bytes, tiny_step_model

NO_DEVICE = "not run: no CUDA device"


def module_on_a_device(flavour: Flavour) -> Any:
    """TensorRT where there is a device for it; the test that asks is skipped where not.

    The device comes first: without one, a standard TensorRT ends the process as soon as it is used.
    """
    try:
        opening.open_cuda().close()
    except (DeviceError, MissingExtraError):
        pytest.skip(NO_DEVICE)
    try:
        return load_module(flavour)
    except MissingExtraError as error:
        pytest.skip(f"not run: {error}")


def built(module: Any, flavour: Flavour, model: bytes) -> bytes:
    """An engine of a graph with the tiny step's border; what is no graph is left as it is."""
    try:
        if not onnx.load_from_string(model).graph.input:
            return model
    except DecodeError:
        return model
    request = BuildRequest(graph=tiny_graph_spec(), model=model, precision=BuiltPrecision.FLOAT32, flavour=flavour)
    return build_plan(module, request).data


@pytest.mark.parametrize("flavour", Flavour, ids=lambda flavour: flavour.value, scope="class")
class TestOnADevice(EngineContract):
    """The contract of every engine."""

    @pytest.fixture(autouse=True)
    def present(self, flavour: Flavour) -> None:
        self.flavour, self.module = flavour, module_on_a_device(flavour)

    def make(self, graph: GraphSpec, model: bytes) -> TensorRtEngine:
        plan = built(self.module, self.flavour, model)
        return TensorRtEngine(graph, plan, flavour=self.flavour, module=self.module, cuda=opening.open_cuda())

    def test_outputs_in_another_order_are_refused(self) -> None:
        """TensorRT promises no order; see `tests.runtime.test_tensorrt_engine`."""
        engine = self.make(tiny_graph_spec(), tiny_step_bytes())
        assert list(engine.bind(1).outputs) == [spec.name for spec in engine.graph.outputs]
        engine.close()

    @pytest.mark.parametrize("model", [pytest.param(tiny_step_model(batch=1), id="batch-fixed-to-1")])
    def test_a_file_with_another_border_is_refused(self, model: onnx.ModelProto) -> None:
        """By the builder already, long before there is an engine."""
        with pytest.raises(CrystalEdgeError, match="has the inputs"):
            self.make(tiny_graph_spec(), model.SerializeToString())

    def test_a_failure_while_running_is_the_engines_error(self) -> None:
        """A table that is read beyond its end is no failure to a GPU."""
        engine = self.make(tiny_graph_spec(), tiny_step_bytes())
        engine.close()
        with pytest.raises(CrystalEdgeError):
            engine.bind(1)

    def test_states_stay_right_while_tracks_come_and_go(self) -> None:
        graph = tiny_graph_spec()
        engine, reference = self.make(graph, tiny_step_bytes()), OnnxRuntimeEngine(graph, tiny_step_bytes())
        device, host = StateStore(graph.states, memory=engine.state_memory), StateStore(graph.states)
        steppers, random = (Stepper(engine, device), Stepper(reference, host)), np.random.default_rng(0)
        for step in range(100):
            for store in (device, host):
                if step % 7 == 0:
                    store.create(step)
                if len(store) > 4:
                    store.evict(store.tracks[0])
            tracks = random.permutation(host.tracks).tolist()
            for stepper in steppers:
                stepper.stage(len(tracks))["face"][: len(tracks)] = faces_of(len(tracks), step)
                stepper.advance(tracks)
            np.testing.assert_allclose(device.arrays["hidden"], host.arrays["hidden"], atol=1e-3)
        engine.close()


def test_where_there_is_no_device_it_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        msg = "there is no CUDA device."
        raise DeviceError(msg)

    monkeypatch.setattr(opening, "open_cuda", missing)
    with pytest.raises(pytest.skip.Exception) as raised:
        module_on_a_device(Flavour.TENSORRT_RTX)
    assert str(raised.value) == "not run: no CUDA device"


def test_the_builder_makes_what_the_contract_is_held_to_without_a_device() -> None:
    module = load_module(Flavour.TENSORRT_RTX)
    plan = built(module, Flavour.TENSORRT_RTX, tiny_step_bytes())
    assert plan.startswith(b"vtrt")
    assert built(module, Flavour.TENSORRT_RTX, b"no model") == b"no model"
    assert built(module, Flavour.TENSORRT_RTX, b"") == b""
    with pytest.raises(CrystalEdgeError, match="has the inputs"):
        built(module, Flavour.TENSORRT_RTX, tiny_step_model(batch=1).SerializeToString())
