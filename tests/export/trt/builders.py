"""Graphs to build, fakes to build them with, and what is asked of an engine."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from crystaledge.bundle import Bundle
from crystaledge.engine.trt.cuda import DeviceFacts
from crystaledge.engine.trt.cuda_python import CudaPython
from crystaledge.engine.trt.engine import TensorRtEngine
from crystaledge.engine.trt.flavour import Flavour
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.manifest.model import GraphSpec
from crystaledge.system import System
from crystaledge_benchmarks.assets import embedded_bundle
from crystaledge_export.errors import BuildError
from crystaledge_export.trt.build import Built, Workshop, build_engine
from crystaledge_export.trt.builder import BuildRequest, build_plan
from tests.support.fake_builder import builder_module
from tests.support.fake_cuda import FakeDriver
from tests.support.fake_tensorrt import Generation
from tests.support.manifests import tiny_graph_spec
from tests.support.messages import message_of
from tests.support.step_graphs import tiny_step_bytes, tiny_step_model

Array = NDArray[np.float32]
F32, F16 = BuiltPrecision.FLOAT32, BuiltPrecision.FLOAT16
ORIN = DeviceFacts(name="Orin", compute_capability="8.7", driver="12.6", integrated=True, memory_bytes=1 << 33)
GENERATIONS = pytest.mark.parametrize("generation", Generation, ids=lambda generation: generation.name)


def flavour_of(generation: Generation) -> Flavour:
    """The product that a generation is of."""
    return Flavour.TENSORRT_RTX if generation is Generation.RTX_1_7 else Flavour.TENSORRT


def fake_module(generation: Generation = Generation.V10_3, driver: FakeDriver | None = None) -> Any:
    """A TensorRT of that generation."""
    return builder_module(generation, driver or FakeDriver())


def request_of(
    model: bytes | onnx.ModelProto | None = None,
    *,
    graph: GraphSpec | None = None,
    generation: Generation = Generation.V10_3,
    precision: BuiltPrecision = BuiltPrecision.FLOAT32,
    **more: Any,
) -> BuildRequest:
    """A build of a file, by default of the tiny step."""
    data = model.SerializeToString() if isinstance(model, onnx.ModelProto) else model
    return BuildRequest(
        graph=graph or tiny_graph_spec(),
        model=tiny_step_bytes() if data is None else data,
        precision=precision,
        flavour=flavour_of(generation),
        **more,
    )


def fake_engine(graph: GraphSpec, plan: bytes, generation: Generation) -> TensorRtEngine:
    """A plan, opened as the runtime opens it, on a device of its own."""
    driver = FakeDriver()
    module, cuda = builder_module(generation, driver), CudaPython(driver=driver)
    return TensorRtEngine(graph, plan, flavour=flavour_of(generation), module=module, cuda=cuda)


@cache
def embedded() -> Bundle:
    """The bundle of the embedded weights."""
    return Bundle.open(embedded_bundle(System.MNEMOSYNE))


def embedded_model() -> onnx.ModelProto:
    """Its float32 graph, to be changed."""
    return onnx.load_from_string(embedded().graph_bytes(embedded().graph()))


def random_feeds(graph: GraphSpec, batch: int, *, seed: int = 0) -> dict[str, Array]:
    """Random inputs of a graph."""
    random = np.random.default_rng(seed)
    return {spec.name: random.uniform(-1, 1, (batch, *spec.row_shape)).astype(np.float32) for spec in graph.inputs}


def quantized_input(model: onnx.ModelProto, zero_point: NDArray[Any]) -> onnx.ModelProto:
    """The tiny step with Q/DQ behind its face, named `face_Q` and `face_DQ`."""
    constants = ["face_scale", "face_zero"]
    pair = [
        helper.make_node("QuantizeLinear", ["face_float", *constants], ["face_q"], "face_Q"),
        helper.make_node("DequantizeLinear", ["face_q", *constants], ["face_d"], "face_DQ"),
    ]
    model.graph.initializer.append(numpy_helper.from_array(np.array(1 / 127, np.float32), "face_scale"))
    model.graph.initializer.append(numpy_helper.from_array(zero_point, "face_zero"))
    nodes = list(model.graph.node)
    nodes[1].input[0] = "face_d"
    del model.graph.node[:]
    model.graph.node.extend([nodes[0], *pair, *nodes[1:]])
    return model


def named(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same with a name for each node: the operator and its place."""
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type.lower()}_{index}"
    return model


def tiny() -> onnx.ModelProto:
    """The tiny step, nodes named."""
    return named(tiny_step_model())


def refused(model: bytes | onnx.ModelProto, generation: Generation, **more: Any) -> str:
    """The one line with which a build is refused."""
    with pytest.raises(BuildError) as raised:
        build_plan(fake_module(generation), request_of(model, generation=generation, **more))
    return message_of(raised)


def workshop_of(tmp_path: Path, generation: Generation = Generation.V10_3) -> Workshop:
    device = None if generation is Generation.RTX_1_7 else ORIN
    module = fake_module(generation)
    return Workshop(module=module, flavour=flavour_of(generation), device=device, folder=tmp_path / "engines")


def made(bundle: Bundle, workshop: Workshop, **more: Any) -> Built:
    return build_engine(bundle, bundle.graph(), F32, workshop, **more)
