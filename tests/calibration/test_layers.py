"""Which layer is at fault: faults planted in one layer each, and what is no fault."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from crystaledge.manifest.model import Target
from crystaledge_calibration.equalize import equalized
from crystaledge_calibration.layers import SAME, Culprit, layer_errors, state_limits
from crystaledge_calibration.observe import observe_ranges, watched_step
from crystaledge_calibration.qdq import TensorRange, quantized_tensors, with_qdq
from tests.calibration.builders import (
    PREPROCESSING,
    QUANTIZABLE,
    constants,
    memory_set,
    node_of,
    small_draft,
    small_model,
    small_spec,
    small_weights,
)
from tests.support.step_graphs import HIDDEN

Array = NDArray[np.float32]
FRAMES = next(memory_set().batches(PREPROCESSING)).frames
FEEDS = {
    "face": FRAMES,
    "hidden": np.random.default_rng(2).uniform(-0.8, 0.8, (len(FRAMES), HIDDEN)).astype(np.float32),
}


def errors_of(deployed: onnx.ModelProto) -> tuple[dict[str, float], Culprit | None]:
    rows, culprit = layer_errors(small_model(), deployed, FEEDS)
    return {row.tensor: row.error for row in rows}, culprit


def test_equal_graphs_have_no_errors() -> None:
    rows, culprit = layer_errors(small_model(), small_model(), FEEDS)
    assert culprit is None
    assert [(row.node, row.tensor) for row in rows] == [(n.name, n.output[0]) for n in small_model().graph.node]
    assert {row.error for row in rows} == {0.0}


@pytest.mark.parametrize("target", Target)
def test_sound_int8_layers_are_the_same(target: Target) -> None:
    errors, culprit = errors_of(small_draft(target).build())
    assert culprit is None
    assert 0.0 < max(errors.values()) < SAME


@pytest.mark.parametrize(
    ("weight", "node", "tensor"),
    [
        ("w_skip", "conv_skip", "skip"),
        ("w_update_hidden", "gemm_update_hidden", "update_hidden"),
        ("w_new_face", "matmul_new_face", "new_face"),
    ],
)
def test_a_layer_with_other_weights_is_named(weight: str, node: str, tensor: str) -> None:
    shuffled = small_weights()[weight][::-1]
    errors, culprit = errors_of(small_draft().build(model=small_model({weight: shuffled})))
    assert culprit is not None
    assert (culprit.node, culprit.tensor, culprit.error) == (node, tensor, errors[tensor])
    assert culprit.error > SAME


def test_errors_are_relative_to_the_float_tensor() -> None:
    noise = np.random.default_rng(0).normal(size=small_weights()["w_log_variance"].shape).astype(np.float32)
    deployed = small_model({"w_velocity": small_weights()["w_velocity"] + noise})
    errors, _ = errors_of(deployed)
    left, right = (watched_step(m, ["raw_velocity"])(FEEDS)["raw_velocity"] for m in (small_model(), deployed))
    expected = np.linalg.norm(right - left) / np.linalg.norm(left)
    assert errors["raw_velocity"] == pytest.approx(expected, rel=1e-4)
    assert errors["new"] == 0.0


def test_scales_per_channel_are_no_error() -> None:
    seen = observe_ranges(small_spec(), small_model(), memory_set(), PREPROCESSING, ["stem_relu", "features"])
    moved = equalized(small_model(), seen, migration=0.7)
    left, right = (watched_step(model, ["stem_relu"])(FEEDS)["stem_relu"] for model in (small_model(), moved))
    assert np.abs(left - right).max() > 1.0
    errors, culprit = errors_of(moved)
    assert culprit is None
    assert max(errors.values()) < 1e-4


@pytest.mark.parametrize("factor", [-1.0, 100.0, 0.001])
def test_a_channel_that_is_turned_over_or_far_out_of_scale_is_an_error(factor: float) -> None:
    weights = small_weights()
    changed = {"w_skip": weights["w_skip"] * np.float32(factor), "b_skip": weights["b_skip"] * np.float32(factor)}
    errors, culprit = errors_of(small_model(changed))
    assert culprit is not None
    assert errors["skip"] == pytest.approx(abs(factor - 1.0), rel=1e-3)


@pytest.mark.parametrize("factor", [-1.0, 100.0])
def test_the_maker_of_such_a_channel_is_named(factor: float) -> None:
    weights = small_weights()
    changed = {"w_skip": weights["w_skip"] * np.float32(factor), "b_skip": weights["b_skip"] * np.float32(factor)}
    _, culprit = errors_of(small_model(changed))
    assert culprit is not None and culprit.node == "conv_skip"


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_what_is_not_finite_is_broken_and_no_average_hides_it(broken: float) -> None:
    bias = small_weights()["b_skip"].copy()
    bias[2] = broken
    errors, culprit = errors_of(small_model({"b_skip": bias}))
    assert errors["skip"] == 1e6
    assert culprit == Culprit("conv_skip", "skip", 1e6)


def test_a_dead_tensor_that_stays_dead_is_no_error() -> None:
    dead = {"b_stem": np.full(4, -1e3, np.float32)}
    rows, culprit = layer_errors(small_model(dead), small_model(dead), FEEDS)
    assert culprit is None and {row.error for row in rows} == {0.0}


def test_the_first_layer_that_adds_error_is_named_and_not_what_it_is_handed_on_to() -> None:
    errors, culprit = errors_of(small_model({"w_stem": small_weights()["w_stem"][::-1]}))
    assert culprit is not None and culprit.node == "conv_stem"
    assert errors["pooled"] > SAME


def test_tensors_that_one_graph_lacks_are_passed_over() -> None:
    deployed = small_model()
    node_of(deployed, "conv_stem").output[0] = node_of(deployed, "relu_stem").input[0] = "renamed"
    errors, culprit = errors_of(deployed)
    assert "stem" not in errors and "stem_relu" in errors and culprit is None


def test_sizes_are_no_layer() -> None:
    sized = small_model()
    sized.graph.node.insert(0, helper.make_node("Shape", ["face"], ["sizes"], "shape"))
    rows, culprit = layer_errors(sized, sized, FEEDS)
    assert culprit is None
    assert [row.tensor for row in rows] == [node.output[0] for node in small_model().graph.node]


def test_a_tensor_without_channels_is_one() -> None:
    reference, deployed = small_model(), small_model()
    for model in (reference, deployed):
        node = helper.make_node("ReduceMax", ["face"], ["peak"], "peak", axes=[1, 2, 3], keepdims=0)
        model.graph.node.insert(0, node)
    deployed.graph.node[0].op_type = "ReduceMin"
    rows, culprit = layer_errors(reference, deployed, FEEDS)
    low, high = FEEDS["face"].min(axis=(1, 2, 3)), FEEDS["face"].max(axis=(1, 2, 3))
    assert rows[0].tensor == "peak"
    assert rows[0].error == pytest.approx(np.linalg.norm(low - high) / np.linalg.norm(high), rel=1e-5)
    assert culprit is not None and culprit.node == "peak"


def with_state_range(target: Target, state: TensorRange) -> onnx.ModelProto:
    ranges = {name: TensorRange(-4.0, 4.0) for name in quantized_tensors(small_model(), target)}
    return with_qdq(small_model(), target, {**ranges, "hidden": state}, nodes=QUANTIZABLE)


@pytest.mark.parametrize("target", Target)
@pytest.mark.parametrize("state", [TensorRange(-0.8, 0.8), TensorRange(-0.9, 0.3), TensorRange(-0.1, 1.0)])
def test_the_limit_of_a_state_is_where_eight_bits_begin_to_clip_it(target: Target, state: TensorRange) -> None:
    model = with_state_range(target, state)
    found = state_limits(small_spec(), model)
    assert set(found) == {"hidden"}
    pair = [n for n in model.graph.node if n.op_type.endswith("tizeLinear") and n.name.startswith("hidden_read")]
    scale, zero = (constants(model)[name] for name in pair[0].input[1:])
    low, high = (-128, 127) if zero.dtype == np.int8 else (0, 255)

    def held(x: float) -> bool:
        eight = np.clip(np.rint(x / scale) + zero, low, high)
        return bool(abs((eight - zero) * scale - x) <= 0.5001 * scale)

    inside, outside = found["hidden"] * 0.999, found["hidden"] * 1.001 + 0.001 * float(scale)
    assert held(inside) and held(-inside)
    assert not (held(outside) and held(-outside))


def test_a_state_that_is_read_in_float_has_no_limit() -> None:
    model = small_draft(nodes=("conv_stem", "gemm_quality")).build()
    assert state_limits(small_spec(), model) == {}


def test_a_quantizer_without_a_zero_point_is_unsigned() -> None:
    model = small_model()
    model.graph.initializer.append(numpy_helper.from_array(np.array(0.01, np.float32), "scale"))
    model.graph.node.insert(0, helper.make_node("QuantizeLinear", ["hidden", "scale"], ["eight"], "q"))
    assert state_limits(small_spec(), model)["hidden"] == pytest.approx(0.005)
