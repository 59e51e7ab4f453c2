"""Initialisation against the published rules (architectures, 0.3)."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from crystaledge_training.initialisation import fan_in_uniform_, initialise


def assert_fills(weight: Tensor, bound: float) -> None:
    """Uniform in +-bound: inside it, close to both ends, and of its standard deviation, bound / sqrt(3)."""
    assert weight.abs().max() <= bound
    assert weight.max() > 0.98 * bound
    assert weight.min() < -0.98 * bound
    assert weight.std() == pytest.approx(bound / math.sqrt(3.0), rel=0.05)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [
        (nn.Conv2d(8, 64, 3), 8 * 9),
        (nn.Conv2d(512, 512, 3, groups=512), 9),
        (nn.Conv2d(64, 64, 1), 64),
        (nn.Linear(48, 96), 48),
    ],
)
def test_convolutions_and_linears_are_uniform_by_their_fan_in(layer: nn.Conv2d | nn.Linear, fan_in: int) -> None:
    initialise(layer)
    assert_fills(layer.weight.detach(), math.sqrt(6.0 / fan_in))
    assert layer.bias is not None
    assert not layer.bias.any()


def test_a_layer_without_bias_is_initialised_too() -> None:
    layer = nn.Linear(48, 96, bias=False)
    initialise(layer)
    assert_fills(layer.weight.detach(), math.sqrt(6.0 / 48))


def test_gru_matrices_use_fan_in_plus_three_hidden() -> None:
    cell = nn.GRUCell(96, 64)
    initialise(cell)
    assert_fills(cell.weight_ih.detach(), math.sqrt(6.0 / (96 + 3 * 64)))
    assert_fills(cell.weight_hh.detach(), math.sqrt(6.0 / (64 + 3 * 64)))
    assert not cell.bias_ih.any()
    assert not cell.bias_hh.any()


def test_other_layers_keep_their_values() -> None:
    norm = nn.BatchNorm2d(4)
    nn.init.constant_(norm.weight, 0.25)
    nn.init.constant_(norm.bias, 0.5)
    initialise(norm)
    assert norm.weight.tolist() == [0.25] * 4
    assert norm.bias.tolist() == [0.5] * 4


def test_fan_in_is_the_product_of_all_axes_but_the_first() -> None:
    weight = torch.empty(400, 2, 3, 4)
    fan_in_uniform_(weight)
    assert_fills(weight, 0.5)
