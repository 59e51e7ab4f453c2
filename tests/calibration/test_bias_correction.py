"""Bias correction, recomputed node by node over whole rollouts."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from crystaledge_calibration.bias_correction import bias_corrected
from crystaledge_calibration.observe import closed_loop, watched_step
from crystaledge_calibration.step_model import WeightedNode, weighted_nodes, with_weights
from tests.calibration.builders import (
    HEADS,
    PREPROCESSING,
    QUANTIZABLE,
    constants,
    memory_set,
    small_batch,
    small_draft,
    small_model,
    small_spec,
    small_weights,
)

Array = NDArray[np.float32]
BEHIND = ("gemm_update_hidden", *HEADS)
(BATCH,) = memory_set(steps=6).batches(PREPROCESSING)


def biased() -> list[WeightedNode]:
    return [node for node in weighted_nodes(small_model()) if node.bias is not None]


def rounded(model: onnx.ModelProto) -> onnx.ModelProto:
    return small_draft().build(model=model)


def corrected(model: onnx.ModelProto) -> onnx.ModelProto:
    return bias_corrected(small_spec(), model, rounded, BATCH, threads=1)


def naive_mean(model: onnx.ModelProto, node: WeightedNode) -> NDArray[np.float64]:
    """Over distinct frames or, behind the state, over all steps of the rollout of the whole graph."""
    step = watched_step(model, [node.output])
    if node.name in BEHIND:
        values = np.concatenate([outputs[node.output] for outputs in closed_loop(small_spec(), step, BATCH)])
    else:
        hidden = np.zeros((len(BATCH.frames), 6), np.float32)
        values = step({"face": BATCH.frames, "hidden": hidden})[node.output]
    mean: NDArray[np.float64] = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1).astype(np.float64).mean(axis=1)
    return mean


def naively_corrected() -> dict[str, Array]:
    """Each node in turn, the nodes before it corrected already."""
    model, biases = small_model(), dict[str, Array]()
    for node in biased():
        assert node.bias is not None
        excess = naive_mean(rounded(model), node) - naive_mean(small_model(), node)
        biases[node.bias] = (small_weights()[node.bias] - excess).astype(np.float32)
        model = with_weights(model, {node.bias: biases[node.bias]})
    return biases


def test_each_bias_gives_up_what_rounding_adds_on_average() -> None:
    found = constants(corrected(small_model()))
    for name, bias in naively_corrected().items():
        np.testing.assert_allclose(found[name], bias, atol=2e-5, err_msg=name)
        assert np.abs(bias - small_weights()[name]).max() > 1e-5, f"{name} was right before, which shows nothing"


def test_channels_have_their_float_means_again() -> None:
    after = rounded(corrected(small_model()))
    for node in biased():
        if node.name == "gemm_update_hidden":
            continue  # its bias moves the state that it reads
        wanted = naive_mean(small_model(), node)
        before = np.abs(naive_mean(rounded(small_model()), node) - wanted).max()
        assert np.abs(naive_mean(after, node) - wanted).max() < 0.2 * before, node.name


def test_only_biases_change_and_the_given_model_does_not() -> None:
    model = small_model()
    found = corrected(model)
    assert model == small_model()
    assert list(found.graph.node) == list(model.graph.node)
    same = {n for n, value in small_weights().items() if np.array_equal(constants(found)[n], value)}
    assert same == {name for name in small_weights() if name.startswith("w_")}


@pytest.mark.parametrize("bias", ["b_stem", "b_update_face", "b_velocity"])
def test_a_planted_shift_is_taken_out_to_the_digit_and_nothing_else_moves(bias: str) -> None:
    shift = np.linspace(-0.3, 0.4, len(small_weights()[bias])).astype(np.float32)

    def shifting(model: onnx.ModelProto) -> onnx.ModelProto:
        return with_weights(model, {bias: constants(model)[bias] + shift})

    found = constants(bias_corrected(small_spec(), small_model(), shifting, small_batch(), threads=1))
    for name, value in small_weights().items():
        expected = value - shift if name == bias else value
        np.testing.assert_allclose(found[name], expected, atol=1e-5, err_msg=name)


def test_each_node_is_corrected_once_with_those_before_it_corrected_already() -> None:
    given: list[dict[str, Array]] = []

    def noting(model: onnx.ModelProto) -> onnx.ModelProto:
        given.append(constants(model))
        return rounded(model)

    final = constants(bias_corrected(small_spec(), small_model(), noting, small_batch(), threads=1))
    names = [node.bias for node in biased()]
    assert len(given) == len(names) < len(QUANTIZABLE) + len(HEADS)
    for place, weights in enumerate(given):
        for number, name in enumerate(names):
            assert name is not None
            expected = final[name] if number < place else small_weights()[name]
            np.testing.assert_array_equal(weights[name], expected)


def test_a_graph_with_its_own_means_is_left_as_it_is() -> None:
    found = constants(bias_corrected(small_spec(), small_model(), lambda model: model, small_batch(), threads=1))
    for name, value in small_weights().items():
        np.testing.assert_array_equal(found[name], value)
