"""Residual sums: which they are, and the eight bits on their skip branch."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from crystaledge_calibration.observe import watched_step
from crystaledge_calibration.residual import ResidualSum, identity_sums, quantized_sums, residual_sums, with_skip_qdq
from tests.calibration.builders import constants, dequantized, maker_of, node_of, small_batch, small_model
from tests.support.step_graphs import HIDDEN

SUM = ResidualSum(add="residual", main="conv_main", skip="conv_skip", skip_tensor="skip")


def spliced() -> onnx.ModelProto:
    model = small_model()
    with_skip_qdq(model, [SUM], {"skip": 2.54})
    return model


def test_a_sum_of_two_convolutions_is_residual_and_its_second_operand_the_skip_branch() -> None:
    assert residual_sums(small_model()) == (SUM,)


def test_the_branches_change_places_with_the_operands() -> None:
    model = small_model()
    node_of(model, "residual").input[:] = ["skip", "main"]
    assert residual_sums(model) == (ResidualSum("residual", "conv_skip", "conv_main", "main"),)


@pytest.mark.parametrize(
    "operands", [["main", "stem_relu"], ["stem_relu", "skip"], ["main", "face"], ["stem_relu", "stem_relu"]]
)
def test_a_sum_with_anything_but_two_convolutions_is_none(operands: list[str]) -> None:
    model = small_model()
    node_of(model, "residual").input[:] = operands
    assert residual_sums(model) == ()


def test_sums_of_products_are_no_residual_sums() -> None:
    assert {one.add for one in residual_sums(small_model())}.isdisjoint({"add_update", "add_new", "add_next"})


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        (["conv_stem", "conv_main", "conv_skip"], (SUM,)),
        (["conv_main"], ()),
        (["conv_skip"], ()),
        ([], ()),
    ],
)
def test_a_sum_is_quantized_with_both_of_its_convolutions(nodes: list[str], expected: tuple[ResidualSum, ...]) -> None:
    assert quantized_sums(small_model(), nodes) == expected


def test_the_pair_is_symmetric_int8_and_stands_before_its_sum() -> None:
    model = spliced()
    onnx.checker.check_model(model, full_check=True)
    main, skip = node_of(model, "residual").input
    assert main == "main"
    back = dequantized(model, skip)
    eight = maker_of(model, back.input[0])
    assert eight is not None and eight.op_type == "QuantizeLinear" and eight.input[0] == "skip"
    assert list(eight.input[1:]) == list(back.input[1:])
    scale, zero = (constants(model)[name] for name in eight.input[1:])
    assert (zero.dtype, zero.shape, int(zero)) == (np.dtype(np.int8), (), 0)
    np.testing.assert_allclose(scale, 0.02, rtol=1e-6)


def test_the_sum_adds_the_rounded_branch() -> None:
    frames = small_batch().frames
    feeds = {"face": frames, "hidden": np.zeros((len(frames), HIDDEN), np.float32)}
    found = watched_step(spliced(), ["main", "skip", "summed"])(feeds)
    rounded = np.clip(np.rint(found["skip"] / np.float32(0.02)), -128, 127) * 0.02
    np.testing.assert_allclose(found["summed"], found["main"] + rounded, atol=1e-5)
    assert np.abs(found["skip"]).max() > 2.56, "nothing was clipped, so the test shows less than it says"


def test_without_sums_nothing_changes() -> None:
    model = small_model()
    with_skip_qdq(model, [], {})
    assert model == small_model()


def test_two_sums_may_share_their_skip_branch() -> None:
    model = small_model()
    nodes = list(model.graph.node)
    place = nodes.index(node_of(model, "relu_block"))
    nodes[place].input[0] = "both"
    nodes[place:place] = [
        helper.make_node("Conv", ["stem_relu", "w_skip", "b_skip"], ["third"], "conv_third"),
        helper.make_node("Add", ["third", "skip"], ["other_sum"], "other_residual"),
        helper.make_node("Add", ["summed", "other_sum"], ["both"], "add_both"),
    ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    with_skip_qdq(model, residual_sums(model), {"skip": 2.54})
    onnx.checker.check_model(model)


def block_around_its_input() -> onnx.ModelProto:
    model = small_model()
    node_of(model, "residual").input[:] = ["main", "stem_relu"]
    return model


def test_a_sum_of_a_convolution_and_what_the_block_reads_is_one_of_identity() -> None:
    expected = ResidualSum(add="residual", main="conv_main", skip="conv_main", skip_tensor="stem_relu")
    assert identity_sums(block_around_its_input()) == (expected,)
    assert quantized_sums(block_around_its_input(), ["conv_main"]) == (expected,)
    assert quantized_sums(block_around_its_input(), ["conv_skip"]) == ()


@pytest.mark.parametrize("operands", [["main", "skip"], ["main", "stem"], ["stem_relu", "main"]])
def test_other_sums_are_none_of_identity(operands: list[str]) -> None:
    model = small_model()
    node_of(model, "residual").input[:] = operands
    assert identity_sums(model) == ()


def test_a_pair_that_is_there_serves_the_sum_too() -> None:
    model = block_around_its_input()
    sums = identity_sums(model)
    with_skip_qdq(model, sums, {"stem_relu": 2.54})
    before = [node.name for node in model.graph.node]
    with_skip_qdq(model, sums, {"stem_relu": 2.54})
    assert [node.name for node in model.graph.node] == before
