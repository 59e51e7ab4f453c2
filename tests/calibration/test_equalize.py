"""Equalising moves scale between layers: the function stays, the channels become even."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper

from crystaledge_calibration.equalize import equalized, sites
from crystaledge_calibration.observe import observe_ranges, watched_step
from crystaledge_calibration.ranges import Observations
from tests.calibration.builders import (
    CHANNELS,
    PREPROCESSING,
    constants,
    memory_set,
    node_of,
    small_batch,
    small_model,
    small_spec,
    small_weights,
)
from tests.support.step_graphs import HIDDEN

Array = NDArray[np.float32]
SITES = ("stem_relu", "features")
FRAMES = small_batch(sequences=4).frames
HIDDENS = np.random.default_rng(0).uniform(-1.0, 1.0, (len(FRAMES), HIDDEN)).astype(np.float32)


def seen_in(model: onnx.ModelProto, tensors: tuple[str, ...] = SITES) -> dict[str, Observations]:
    return observe_ranges(small_spec(), model, memory_set(4, steps=2), PREPROCESSING, tensors)


def answers(model: onnx.ModelProto, *tensors: str) -> Mapping[str, Array]:
    return watched_step(model, tensors)({"face": FRAMES, "hidden": HIDDENS})


def uneven(seed: int) -> onnx.ModelProto:
    """The small step with channels that reach very differently far."""
    weights = small_weights(seed)
    spread = np.exp(np.random.default_rng(seed).normal(0.0, 1.0, CHANNELS)).astype(np.float32)
    changed = {"w_stem": weights["w_stem"] * spread[:, None, None, None], "b_stem": weights["b_stem"] * spread}
    return small_model({**weights, **changed})


@given(seed=st.integers(0, 20), migration=st.floats(0.0, 1.0))
@settings(max_examples=15)
def test_the_function_is_the_same(seed: int, migration: float) -> None:
    model = uneven(seed)
    moved = equalized(model, seen_in(model), migration=migration)
    changed = {name for name, value in constants(moved).items() if not np.array_equal(value, constants(model)[name])}
    assert {"w_stem", "b_stem", "w_skip", "w_main"} <= changed
    found, expected = answers(moved), answers(model)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-4, err_msg=name)


def test_nothing_moves_that_was_not_observed_and_the_given_model_stays() -> None:
    model = uneven(0)
    before = model.SerializeToString(deterministic=True)
    moved = equalized(model, seen_in(model, ("features",)), migration=0.5)
    assert model.SerializeToString(deterministic=True) == before
    for name in ("w_stem", "b_stem"):
        np.testing.assert_array_equal(constants(moved)[name], constants(model)[name])
    assert not np.array_equal(constants(moved)["w_new_face"], constants(model)["w_new_face"])


def test_sites_are_rectified_tensors_between_weights_with_sums_and_averages_looked_through() -> None:
    found = {
        site.tensor: ([w.name for w in site.writers], [r.name for r in site.readers]) for site in sites(small_model())
    }
    assert found == {
        "stem_relu": (["conv_stem"], ["conv_main", "conv_skip"]),
        "features": (["conv_main", "conv_skip"], ["gemm_update_face", "matmul_new_face", "gemm_quality"]),
    }


@pytest.mark.parametrize(
    ("node", "place", "other"),
    [
        pytest.param("add_update", 0, "pooled", id="read by a sum"),
        pytest.param("residual", 1, "face", id="written by more than weights"),
    ],
)
def test_no_scale_is_moved_where_somebody_else_would_see_it(node: str, place: int, other: str) -> None:
    model = small_model()
    node_of(model, node).input[place] = other
    assert "features" not in {site.tensor for site in sites(model)}


def test_no_scale_is_moved_out_of_the_graph() -> None:
    model = small_model()
    model.graph.output.append(helper.make_tensor_value_info("stem_relu", onnx.TensorProto.FLOAT, None))
    assert [site.tensor for site in sites(model)] == ["features"]


def test_another_activation_is_no_site() -> None:
    model = small_model()
    node_of(model, "relu_stem").op_type = "Tanh"
    assert [site.tensor for site in sites(model)] == ["features"]


def naive_scale(reach: Array, weight_reach: Array, migration: float) -> NDArray[np.float64]:
    """s = a^m / w^(1 - m), its geometric mean taken out, no further than eightfold."""
    raw = [a**migration / w ** (1.0 - migration) for a, w in zip(reach.tolist(), weight_reach.tolist(), strict=True)]
    scale: NDArray[np.float64] = np.clip(np.array(raw) / np.prod(raw) ** (1.0 / len(raw)), 1 / 8, 8)
    return scale


@pytest.mark.parametrize("migration", [0.0, 0.5, 0.7, 1.0])
def test_the_scale_balances_activation_and_weights(migration: float) -> None:
    model = uneven(5)
    seen = seen_in(model)
    reach = np.maximum(np.abs(seen["stem_relu"].channel_low), np.abs(seen["stem_relu"].channel_high))
    before, after = (
        constants(model),
        constants(equalized(model, {"stem_relu": seen["stem_relu"]}, migration=migration)),
    )
    weight_reach = np.abs(before["w_skip"]).max(axis=(0, 2, 3))  # the depthwise reader takes any scale
    scale = naive_scale(reach, weight_reach, migration)
    np.testing.assert_allclose(after["w_stem"], before["w_stem"] / scale[:, None, None, None], rtol=1e-4)
    np.testing.assert_allclose(after["b_stem"], before["b_stem"] / scale, rtol=1e-4)
    np.testing.assert_allclose(after["w_skip"], before["w_skip"] * scale[None, :, None, None], rtol=1e-4)
    np.testing.assert_allclose(after["w_main"], before["w_main"] * scale[:, None, None, None], rtol=1e-4)
    np.testing.assert_array_equal(after["b_main"], before["b_main"])


def test_all_migrated_the_channels_reach_equally_far() -> None:
    model = uneven(5)
    moved = equalized(model, seen_in(model), migration=1.0)
    before, after = seen_in(model), seen_in(moved)
    for name in SITES:
        assert after[name].channel_high.max() / after[name].channel_high.min() < 1.01, name
    assert before["stem_relu"].channel_high.max() / before["stem_relu"].channel_high.min() > 2.0


def test_a_depthwise_reader_alone_lets_the_activation_be_evened_out_whatever_the_migration() -> None:
    model = uneven(5)
    node_of(model, "conv_skip").input[0] = "face"
    first = next(i for i in model.graph.initializer if i.name == "w_skip")
    first.CopyFrom(onnx.numpy_helper.from_array(small_weights()["w_skip"][:, :3], "w_skip"))
    after = seen_in(equalized(model, seen_in(model), migration=0.0), ("stem_relu",))["stem_relu"]
    assert after.channel_high.max() / after.channel_high.min() < 1.01


def test_a_dead_channel_is_scaled_eightfold_at_most() -> None:
    weights = small_weights()
    weights["b_stem"][1] = -1000.0
    model = small_model(weights)
    moved = equalized(model, seen_in(model, ("stem_relu",)), migration=0.7)
    ratio = constants(moved)["w_main"] / weights["w_main"]
    np.testing.assert_allclose(ratio[1], 1 / 8, rtol=1e-5)
    assert (ratio[[0, 2, 3]] > 1.0).all() and ratio.max() <= 8.0001


def test_what_is_read_before_its_relu_too_is_no_site() -> None:
    model = small_model()
    nodes = list(model.graph.node)
    place = nodes.index(node_of(model, "relu_block"))
    nodes[place].input[0] = "with_stem"
    nodes.insert(place, helper.make_node("Add", ["summed", "stem"], ["with_stem"], "pre_activation"))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    found, expected = answers(equalized(model, seen_in(model), migration=0.5)), answers(model)
    np.testing.assert_allclose(found["hidden_next"], expected["hidden_next"], atol=1e-4)


def test_a_grouped_reader_is_no_reason_to_fail() -> None:
    model = small_model({"w_skip": small_weights()["w_skip"][:, :2]})
    node_of(model, "conv_skip").attribute.append(helper.make_attribute("group", 2))
    found, expected = answers(equalized(model, seen_in(model), migration=0.5)), answers(model)
    np.testing.assert_allclose(found["hidden_next"], expected["hidden_next"], atol=1e-4)
