"""One builder, five generations: what it builds opens and computes, what it cannot is told in TensorRT's words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper

from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.manifest.model import GraphSpec
from crystaledge.tensors import TensorSpec
from crystaledge_export.errors import BuildError
from crystaledge_export.trt.builder import BuildRequest, build_plan
from crystaledge_export.trt.half import half_graph
from tests.calibration.lint.builders import clean_model, int8_spec
from tests.export.trt.builders import (
    GENERATIONS,
    embedded,
    fake_engine,
    fake_module,
    random_feeds,
    refused,
    request_of,
    tiny,
)
from tests.support.fake_build_config import members
from tests.support.fake_builder import bench_of
from tests.support.fake_cuda import FakeDriver
from tests.support.fake_tensorrt import Generation, runtime_module
from tests.support.manifests import tensor, tiny_graph_spec
from tests.support.messages import message_of
from tests.support.step_graphs import tiny_step_bytes, tiny_step_model

STANDARD = pytest.mark.parametrize(
    "generation", [g for g in Generation if g is not Generation.RTX_1_7], ids=lambda generation: generation.name
)
OPENED = pytest.mark.parametrize(
    "generation",
    [pytest.param(g, id=g.name) for g in Generation],
)


def built_bytes(generation: Generation, graph: GraphSpec, model: bytes) -> bytes:
    return build_plan(fake_module(generation), request_of(model, graph=graph, generation=generation)).data


@OPENED
@pytest.mark.parametrize("batch", [1, 2, 4])
def test_the_tiny_step_computes_like_onnx_runtime(generation: Generation, batch: int) -> None:
    graph, model = tiny_graph_spec(), tiny_step_bytes()
    feeds = random_feeds(graph, batch)
    found = fake_engine(graph, built_bytes(generation, graph, model), generation).run(feeds)
    for name, values in OnnxRuntimeEngine(graph, model).run(feeds).items():
        assert np.array_equal(found[name], values), name


@OPENED
def test_the_embedded_graph_computes_like_onnx_runtime(generation: Generation) -> None:
    graph = embedded().graph()
    model = embedded().graph_bytes(graph)
    feeds = random_feeds(graph, 2)
    found = fake_engine(graph, built_bytes(generation, graph, model), generation).run(feeds)
    for name, values in OnnxRuntimeEngine(graph, model).run(feeds).items():
        assert np.array_equal(found[name], values), name


@GENERATIONS
@pytest.mark.parametrize(
    ("precision", "weak"),
    [(BuiltPrecision.FLOAT32, ()), (BuiltPrecision.FLOAT16, ()), (BuiltPrecision.INT8, ("INT8",))],
)
def test_the_flags_are_those_of_the_generation(
    generation: Generation, precision: BuiltPrecision, weak: tuple[str, ...]
) -> None:
    graph, model = tiny_graph_spec(), tiny()
    if precision is BuiltPrecision.FLOAT16:
        model = half_graph(model, graph)
    elif precision is BuiltPrecision.INT8:
        graph, model = int8_spec(), clean_model()
    module = fake_module(generation)
    request = request_of(model, graph=graph, generation=generation, precision=precision)
    oldest = generation is Generation.V8_6
    if oldest and precision is BuiltPrecision.FLOAT16:
        with pytest.raises(BuildError, match="types weakly: float16, once allowed, is allowed to gates and state too"):
            build_plan(module, request)
        return
    plan = build_plan(module, request)
    (setup,) = bench_of(module).builds
    assert setup.network_flags == (("EXPLICIT_BATCH",) if oldest else ("STRONGLY_TYPED",))
    assert setup.flags == (list(weak) if oldest else []), "TF32 is off: what is float32 in the file is float32"
    assert setup.features == (["PROFILE_SHARING_0806"] if oldest else [])
    assert plan.flags == (*setup.network_flags, "no TF32", *setup.features, *setup.flags)
    assert plan.warnings == ()


def test_a_weakly_typed_network_with_eight_bits_needs_the_flag_for_them() -> None:
    assert "kINT8" in refused(clean_model(), Generation.V8_6, graph=int8_spec(), precision=BuiltPrecision.FLOAT32)


@GENERATIONS
def test_every_bucket_has_a_profile_of_its_size_for_every_input(generation: Generation) -> None:
    module, graph = fake_module(generation), embedded().graph()
    build_plan(module, request_of(embedded().graph_bytes(graph), graph=graph, generation=generation))
    (setup,) = bench_of(module).builds
    assert setup.profiles == [
        {spec.name: [[bucket, *spec.row_shape]] * 3 for spec in graph.inputs} for bucket in (1, 2, 4, 8, 16, 32, 64)
    ]


@OPENED
def test_two_batches_may_share_a_bucket(generation: Generation) -> None:
    graph, model = tiny_graph_spec(), tiny_step_bytes()
    engine = fake_engine(graph, built_bytes(generation, graph, model), generation)
    kept = [engine.bind(3), engine.bind(4)]
    assert [step.batch for step in kept] == [3, 4]


@GENERATIONS
def test_a_failed_build_tells_the_reason_from_the_log(generation: Generation) -> None:
    message = refused(tiny_step_bytes(), generation, workspace_bytes=1024)
    assert message.startswith(f"TensorRT {generation.value} cannot build 'step': ")
    assert "no tactics to implement the operation within workspace limit" in message
    assert "cudaError" not in message


def test_the_reason_is_that_of_this_build_and_of_no_earlier_one() -> None:
    refused(tiny_step_bytes(), Generation.V10_3, workspace_bytes=1024)
    assert refused(b"", Generation.V10_3).endswith("it has no layers (it gave no reason)")


@GENERATIONS
def test_flags_of_another_version_are_told(generation: Generation) -> None:
    module = fake_module(generation)
    module.NetworkDefinitionCreationFlag = members({"EXPLICIT_BATCH": 9, "STRONGLY_TYPED": 9})
    with pytest.raises(BuildError, match=r"makes no network: createNetworkV2: .*unknown flag"):
        build_plan(module, request_of(generation=generation))


@GENERATIONS
@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param((tensor("photo", 3, 8, 8), tensor("hidden", 6)), id="name"),
        pytest.param((tensor("face", 3, 8, 9), tensor("hidden", 6)), id="shape"),
        pytest.param((tensor("face", 3, 8, 8),), id="one too few"),
        pytest.param((tensor("face", 3, 8, 8), tensor("hidden", 6), tensor("clock", 1)), id="one too many"),
    ],
)
def test_inputs_that_the_manifest_does_not_promise_are_refused_before_the_build(
    generation: Generation, inputs: tuple[TensorSpec, ...]
) -> None:
    module, graph = fake_module(generation), replace(tiny_graph_spec(), inputs=inputs)
    with pytest.raises(BuildError) as raised:
        build_plan(module, request_of(graph=graph, generation=generation))
    message = message_of(raised)
    assert "'face': (-1, 3, 8, 8)" in message
    assert "the manifest promises" in message
    assert bench_of(module).builds == []


@GENERATIONS
def test_controls_of_a_server_are_inputs_of_one_value_a_row(generation: Generation) -> None:
    model = tiny_step_model()
    model.graph.input.append(helper.make_tensor_value_info("START", onnx.TensorProto.FLOAT, ["batch", 1]))
    assert "'START': (-1, 1)" in refused(model, generation)
    module = fake_module(generation)
    build_plan(module, request_of(model, generation=generation, controls=("START",)))
    (setup,) = bench_of(module).builds
    assert [profile["START"] for profile in setup.profiles] == [[[bucket, 1]] * 3 for bucket in (1, 2, 4)]


@GENERATIONS
def test_a_static_batch_is_no_input_of_the_manifest(generation: Generation) -> None:
    assert "(2, 3, 8, 8)" in refused(tiny_step_model(batch=2), generation)


@STANDARD
def test_the_timing_cache_is_handed_back_and_on(generation: Generation) -> None:
    request = request_of(generation=generation)
    first = build_plan(fake_module(generation), request)
    again = build_plan(fake_module(generation), replace(request, timing_cache=first.timing_cache))
    assert first.timing_cache is not None and again.timing_cache is not None
    assert again.timing_cache.startswith(first.timing_cache)
    assert len(again.timing_cache) > len(first.timing_cache)


def test_tensorrt_rtx_has_no_timing_cache() -> None:
    request = request_of(generation=Generation.RTX_1_7, timing_cache=b"of another product")
    assert build_plan(fake_module(Generation.RTX_1_7), request).timing_cache is None


@STANDARD
@pytest.mark.parametrize("damage", ["garbage", "of another version"])
def test_a_timing_cache_that_does_not_fit_is_no_obstacle(generation: Generation, damage: str) -> None:
    assert build_plan(fake_module(generation), with_damaged_cache(generation, damage)).data


@STANDARD
@pytest.mark.parametrize("damage", ["garbage", "of another version"])
def test_a_timing_cache_that_does_not_fit_is_replaced(generation: Generation, damage: str) -> None:
    found = build_plan(fake_module(generation), with_damaged_cache(generation, damage)).timing_cache
    assert found is not None and found.startswith(f"fake-cache {generation.value}".encode())


@STANDARD
def test_a_bad_timing_cache_is_not_told_as_the_reason_of_a_failed_build(generation: Generation) -> None:
    request = replace(with_damaged_cache(generation, "garbage"), workspace_bytes=1024)
    with pytest.raises(BuildError, match="workspace limit"):
        build_plan(fake_module(generation), request)


def with_damaged_cache(generation: Generation, damage: str) -> BuildRequest:
    cache = b"\x00\x01" if damage == "garbage" else b"fake-cache 7.2.3 abc"
    return request_of(generation=generation, timing_cache=cache)


def test_a_plan_tells_how_long_it_took() -> None:
    assert build_plan(fake_module(), request_of()).seconds > 0.0


def test_a_tensorrt_that_only_runs_engines_is_refused() -> None:
    with pytest.raises(BuildError, match="runs engines and builds none"):
        build_plan(runtime_module(Generation.V11_4, FakeDriver()), request_of(generation=Generation.V11_4))
