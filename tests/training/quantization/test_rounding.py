"""The rounding against ONNX's definition, computed naively."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from crystaledge_training.quantization.rounding import (
    LEVELS,
    ActivationRange,
    WeightRounding,
    channel_scale,
    round_to_int8,
)
from tests.training.quantization.builders import set_range

Array = NDArray[np.float32]


def onnx_int8(x: Array, scale: Array, *, lowest: int) -> Array:
    """DequantizeLinear(QuantizeLinear(x)) with zero point 0: divide, round half to even, saturate, multiply."""
    steps = np.rint(x / scale).clip(lowest, 127).astype(np.int8)
    back: Array = steps.astype(np.float32) * scale
    return back


@given(
    st.lists(st.floats(-300.0, 300.0, width=32), min_size=1, max_size=20),
    st.floats(2.0**-10, 100.0, width=32),
)
def test_activations_are_rounded_as_onnx_does(values: list[float], amax: float) -> None:
    x = np.array(values, np.float32)
    held = ActivationRange()
    set_range(held, amax)
    scale = (held.amax.detach() / LEVELS).numpy()
    found = held(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_array_equal(found, onnx_int8(x, scale, lowest=-128))


def test_ties_go_to_even_and_the_ends_are_minus_128_and_127() -> None:
    x = torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5, 126.5, 200.0, -127.6, -200.0])
    found = round_to_int8(x, torch.tensor(1.0), lowest=-128)
    assert found.tolist() == [0.0, 2.0, 2.0, 0.0, -2.0, 126.0, 127.0, -128.0, -128.0]


@pytest.mark.parametrize("shape", [(5, 3), (4, 1, 3, 3), (4, 6, 1, 1)])
def test_weights_are_rounded_by_output_channel(shape: tuple[int, ...]) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * torch.logspace(-3, 2, shape[0]).view(
        -1, *[1] * (len(shape) - 1)
    )
    found = WeightRounding()(weight)
    for row, rounded in zip(weight.numpy(), found.numpy(), strict=True):
        np.testing.assert_array_equal(rounded, onnx_int8(row, np.abs(row).max() / np.float32(127), lowest=-127))


def test_a_channel_of_zeros_stays_zero_and_finite() -> None:
    weight = torch.zeros(2, 3)
    assert torch.equal(WeightRounding()(weight), weight)
    assert channel_scale(weight).min() > 0


def gradients(values: list[float]) -> tuple[Tensor, float]:
    x = torch.tensor(values, requires_grad=True)
    held = ActivationRange()
    set_range(held, 127.0)  # a scale of 1
    held(x).sum().backward()
    assert x.grad is not None
    assert held.log_amax.grad is not None
    return x.grad, float(held.log_amax.grad)


def test_gradients_pass_within_the_range_and_stop_outside_of_it() -> None:
    assert gradients([-200.0, -128.0, 0.3, 127.0, 200.0])[0].tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


def test_the_range_learns_from_rounding_within_and_from_clipping_outside() -> None:
    # d/d log(scale) of round(x / s) s, straight through: round(x / s) - x / s within, the end outside; times s.
    assert gradients([2.4])[1] == pytest.approx(2.0 - 2.4, abs=1e-4)
    assert gradients([300.0])[1] == pytest.approx(127.0, rel=1e-4)
    assert gradients([-300.0])[1] == pytest.approx(-128.0, rel=1e-4)
