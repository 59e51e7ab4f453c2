"""Q/DQ as each target wants it, and that the graph computes what rounding by hand computes."""

from __future__ import annotations

import logging
from collections.abc import Collection

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import NodeProto, helper

from crystaledge.manifest.model import Target
from crystaledge_calibration.observe import watched_step
from crystaledge_calibration.qdq import TensorRange, quantized_tensors, with_qdq
from crystaledge_calibration.step_model import WEIGHTED_OPS, quantizable_nodes
from tests.calibration.builders import (
    HEADS,
    QUANTIZABLE,
    STATE_READERS,
    constants,
    dequantized,
    maker_of,
    node_of,
    pairs,
    small_batch,
    small_model,
    small_weights,
)
from tests.support.step_graphs import HIDDEN

Array = NDArray[np.float32]
RANGES = {
    "face": TensorRange(-2.5, 2.5),
    "stem_relu": TensorRange(0.0, 6.0),
    "main": TensorRange(-7.0, 5.0),
    "skip": TensorRange(-5.0, 4.0),
    "features": TensorRange(0.0, 5.0),
    "pooled": TensorRange(0.0, 2.5),
    "hidden": TensorRange(-0.9, 0.8),
}
AXES = {"Conv": 0, "MatMul": 1}


def built(target: Target = Target.TENSORRT, nodes: Collection[str] = QUANTIZABLE) -> onnx.ModelProto:
    return with_qdq(small_model(), target, RANGES, nodes=nodes)


def attributes(node: NodeProto) -> dict[str, object]:
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target.TENSORRT, ("face", "stem_relu", "pooled", "hidden", "skip")),
        (Target.CPU, ("face", "stem_relu", "pooled", "hidden", "skip", "main", "features")),
    ],
)
def test_ranges_are_wanted_of_what_is_read_in_int8(target: Target, expected: tuple[str, ...]) -> None:
    assert quantized_tensors(small_model(), target) == expected


def test_a_range_is_symmetric_by_its_larger_side() -> None:
    assert [TensorRange(-3.0, 2.0).amax, TensorRange(-1.0, 2.0).amax, TensorRange(0.0, 0.5).amax] == [3.0, 2.0, 0.5]


@pytest.mark.parametrize("target", Target)
@pytest.mark.parametrize("nodes", [QUANTIZABLE, QUANTIZABLE[:4], STATE_READERS, ()])
def test_the_graph_is_sound_and_plain(target: Target, nodes: tuple[str, ...]) -> None:
    model = built(target, nodes)
    onnx.checker.check_model(model, full_check=True)
    assert [entry.domain for entry in model.opset_import] == [""]
    assert model.ir_version <= 8
    assert not model.metadata_props
    border = [[value.name for value in side] for side in (model.graph.input, model.graph.output)]
    original = small_model().graph
    assert border == [[value.name for value in side] for side in (original.input, original.output)]


@pytest.mark.parametrize(("given", "expected"), [(10, 8), (8, 8), (7, 7)])
def test_the_ir_version_is_one_that_every_tensorrt_reads(given: int, expected: int) -> None:
    model = small_model()
    model.ir_version = given
    assert with_qdq(model, Target.TENSORRT, RANGES, nodes=QUANTIZABLE).ir_version == expected


@pytest.mark.parametrize("target", Target)
def test_the_float_graph_is_left_alone_and_equal_input_gives_equal_bytes(target: Target) -> None:
    model = small_model()
    before = model.SerializeToString(deterministic=True)
    first, second = (with_qdq(model, target, RANGES, nodes=QUANTIZABLE) for _ in range(2))
    assert model.SerializeToString(deterministic=True) == before
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


def test_tensorrt_gets_signed_symmetric_pairs_of_one_scale() -> None:
    model, weights = built(), constants(built())
    assert set(pairs(model)) == {"face", "stem_relu", "pooled", "hidden", "skip"}
    for tensor, halves in pairs(model).items():
        (node,) = halves
        scale, zero = weights[node.input[1]], weights[node.input[2]]
        assert zero.dtype == np.int8 and zero.shape == () and zero == 0, tensor
        np.testing.assert_allclose(scale, RANGES[tensor].amax / 127, rtol=1e-6, err_msg=tensor)


@pytest.mark.parametrize("target", Target)
@pytest.mark.parametrize("name", QUANTIZABLE)
def test_weights_are_signed_int8_per_output_channel(target: Target, name: str) -> None:
    model, weights = built(target), constants(built(target))
    node = node_of(model, name)
    pair = dequantized(model, node.input[1])
    axis = AXES.get(node.op_type, 0 if attributes(node).get("transB") else 1)
    assert attributes(pair)["axis"] == axis
    stored, scale, zero = (weights[tensor] for tensor in pair.input)
    weight = small_weights()[node_of(small_model(), name).input[1]]
    assert stored.dtype == zero.dtype == np.int8 and not zero.any()
    largest = np.abs(np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)).max(axis=1)
    np.testing.assert_allclose(scale, largest / 127, rtol=1e-6)
    along = scale.reshape([-1 if i == axis else 1 for i in range(weight.ndim)])
    np.testing.assert_array_equal(stored, np.clip(np.rint(weight / along), -127, 127))


def test_biases_of_tensorrt_stay_float_as_they_were() -> None:
    model, weights = built(), constants(built())
    for name in QUANTIZABLE:
        bias = node_of(small_model(), name).input[2:]
        assert node_of(model, name).input[2:] == bias
        for tensor in bias:
            np.testing.assert_array_equal(weights[tensor], small_weights()[tensor])


def test_biases_of_the_cpu_are_int32_in_the_scale_of_the_product() -> None:
    model, weights = built(Target.CPU), constants(built(Target.CPU))
    node = node_of(model, "conv_stem")
    data, weight, bias = (dequantized(model, name) for name in node.input)
    stored, scale, zero = (weights[name] for name in bias.input)
    assert stored.dtype == np.int32 and not zero.any()
    np.testing.assert_allclose(scale, weights[data.input[1]] * weights[weight.input[1]], rtol=1e-6)
    np.testing.assert_allclose(stored * scale, small_weights()["b_stem"], atol=scale.max())


def test_the_cpu_gets_unsigned_pairs_that_span_the_range() -> None:
    model, weights = built(Target.CPU), constants(built(Target.CPU))
    assert set(pairs(model)) == set(RANGES)
    for tensor, (node,) in pairs(model).items():
        scale, zero = weights[node.input[1]], weights[node.input[2]]
        assert zero.dtype == np.uint8
        low, high = RANGES[tensor].low, RANGES[tensor].high
        np.testing.assert_allclose(scale, (high - low) / 255, rtol=1e-5)
        assert abs(float(zero) + low / float(scale)) <= 0.5001


@pytest.mark.parametrize("target", Target)
def test_no_state_passes_through_eight_bits_on_its_way_out(target: Target) -> None:
    model = built(target)
    outputs = {value.name for value in model.graph.output}
    assert not outputs & set(pairs(model))
    assert maker_of(model, "hidden_next") == maker_of(small_model(), "hidden_next")
    for head in HEADS:
        assert node_of(model, head) == node_of(small_model(), head)


@pytest.mark.parametrize("target", Target)
def test_the_gates_blend_the_state_itself(target: Target) -> None:
    model = built(target)
    assert list(node_of(model, "sub_change").input) == ["hidden", "new"]
    for name in STATE_READERS:
        back = dequantized(model, node_of(model, name).input[0])
        eight = maker_of(model, back.input[0])
        assert eight is not None and eight.input[0] == "hidden"
    assert not any(node.op_type == "Identity" for node in model.graph.node)


def test_only_products_and_residual_sums_read_eight_bits() -> None:
    model = built()
    made = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    readers = {node.name for node in model.graph.node if made & set(node.input)}
    assert readers == {*QUANTIZABLE, "residual"}
    assert {node_of(model, name).op_type for name in readers - {"residual"}} <= WEIGHTED_OPS


def test_a_residual_sum_takes_its_skip_branch_in_eight_bits_and_the_other_as_it_is() -> None:
    main, skip = node_of(built(), "residual").input
    assert main == "main"
    eight = maker_of(built(), dequantized(built(), skip).input[0])
    assert eight is not None and eight.input[0] == "skip"


def test_on_the_cpu_both_branches_and_the_pool_read_eight_bits() -> None:
    model = built(Target.CPU)
    for name in (*node_of(model, "residual").input, *node_of(model, "pool").input):
        dequantized(model, name)


@pytest.mark.parametrize("left_out", ["conv_main", "conv_skip"])
@pytest.mark.parametrize("target", Target)
def test_a_sum_with_a_float_branch_stays_float(target: Target, left_out: str) -> None:
    model = built(target, [name for name in QUANTIZABLE if name != left_out])
    assert list(node_of(model, "residual").input) == ["main", "skip"]
    assert node_of(model, left_out) == node_of(small_model(), left_out)


@pytest.mark.parametrize("target", Target)
def test_a_tensor_keeps_its_float_form_for_float_nodes(target: Target) -> None:
    model = built(target, ["gemm_update_face", "conv_stem"])
    assert list(node_of(model, "matmul_new_face").input) == ["pooled", "w_new_face"]
    dequantized(model, node_of(model, "gemm_update_face").input[0])


def test_nothing_chosen_is_the_float_graph() -> None:
    assert list(built(nodes=()).graph.node) == list(small_model().graph.node)


@pytest.mark.parametrize("level", [logging.WARNING, logging.DEBUG])
def test_the_root_logger_is_as_talkative_afterwards_as_before(level: int) -> None:
    root = logging.getLogger()
    before = root.level
    try:
        root.setLevel(level)
        built()
        assert root.level == level
        with pytest.raises(ValueError, match="hidden"):
            with_qdq(
                small_model(), Target.TENSORRT, {k: v for k, v in RANGES.items() if k != "hidden"}, nodes=QUANTIZABLE
            )
        assert root.level == level
    finally:
        root.setLevel(before)


def rounded(x: Array, tensor: str) -> Array:
    scale = np.float32(RANGES[tensor].amax / 127)
    result: Array = (np.clip(np.rint(x / scale), -128, 127) * scale).astype(np.float32)
    return result


def rounded_weight(weight: Array, axis: int) -> Array:
    scale = np.abs(weight).max(axis=tuple(i for i in range(weight.ndim) if i != axis), keepdims=True) / np.float32(127)
    result: Array = (np.rint(weight / scale) * scale).astype(np.float32)
    return result


def depthwise(x: Array, weight: Array) -> Array:
    """A depthwise 3x3 convolution without bias."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    shifted = [
        padded[:, :, r : r + x.shape[2], c : c + x.shape[3]] * weight[None, :, 0, r, c, None, None]
        for r in range(3)
        for c in range(3)
    ]
    total: Array = np.sum(shifted, axis=0, dtype=np.float32)
    return total


FRAMES = small_batch().frames
HIDDENS = np.random.default_rng(3).uniform(-1.1, 1.1, (len(FRAMES), HIDDEN)).astype(np.float32)
INNER = ("stem_relu", "main", "skip", "pooled", "update_face", "update_hidden", "new_hidden")


def seen_and_weights() -> tuple[dict[str, Array], dict[str, Array]]:
    """What the Q/DQ graph makes of `FRAMES`, and weights rounded by hand."""
    axes = {node.weight: node.channel_axis for node in quantizable_nodes(small_model())}
    weights = {k: rounded_weight(v, axes[k]) if k in axes else v for k, v in small_weights().items()}
    return dict(watched_step(built(), INNER)({"face": FRAMES, "hidden": HIDDENS})), weights


# Layer by layer, each from what the graph itself gave the layer, so that no value is met half-way between two steps.
def test_the_convolutions_compute_what_rounding_by_hand_computes() -> None:
    found, w = seen_and_weights()
    stem = watched_step(small_model(w), ["stem_relu"])({"face": rounded(FRAMES, "face"), "hidden": HIDDENS})
    np.testing.assert_allclose(found["stem_relu"], stem["stem_relu"], atol=1e-5)
    main = depthwise(rounded(found["stem_relu"], "stem_relu"), w["w_main"]) + w["b_main"][None, :, None, None]
    np.testing.assert_allclose(found["main"], main, atol=1e-5)
    features = np.maximum(found["main"] + rounded(found["skip"], "skip"), 0.0)
    np.testing.assert_allclose(found["pooled"], features.mean(axis=(2, 3)), atol=1e-5)


def test_the_recurrence_computes_what_rounding_by_hand_computes() -> None:
    found, w = seen_and_weights()
    pooled, state = rounded(found["pooled"], "pooled"), rounded(HIDDENS, "hidden")
    from_face = pooled @ w["w_update_face"].T + w["b_update_face"]
    from_state = state @ w["w_update_hidden"].T + w["b_update_hidden"]
    np.testing.assert_allclose(found["update_face"], from_face, atol=1e-5)
    np.testing.assert_allclose(found["update_hidden"], from_state, atol=1e-5)
    new = np.tanh(pooled @ w["w_new_face"] + state @ w["w_new_hidden"])
    following = new + (HIDDENS - new) / (1.0 + np.exp(-(from_face + from_state)))
    np.testing.assert_allclose(found["hidden_next"], following, atol=1e-5)
