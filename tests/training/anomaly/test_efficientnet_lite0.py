"""EfficientNet-Lite0 against its published weights, run by hand in their own naming, padded as TensorFlow pads."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from crystaledge.errors import DataError
from crystaledge_training.anomaly.efficientnet_lite0 import CHANNELS, LEVELS, EfficientNetLite0, SameConv
from crystaledge_training.anomaly.imagenet_weights import efficientnet_lite0_weights

STRIDES = {1: 2, 3: 2, 5: 2}
"""Blocks that halve the size; read off the paper's table 1."""


@pytest.fixture(scope="module")
def weights() -> Mapping[str, Tensor]:
    return efficientnet_lite0_weights()


def image(height: int, width: int) -> Tensor:
    return torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(height * width))


def by_hand(weights: Mapping[str, Tensor], x: Tensor) -> list[Tensor]:
    """Outputs of blocks 0 to 10, from the raw tensors."""

    def conv(x: Tensor, name: str, norm: str, stride: int) -> Tensor:
        weight = weights[f"{name}.weight"]
        pads: list[int] = []
        for side in (x.shape[3], x.shape[2]):
            total = max((-(-side // stride) - 1) * stride + weight.shape[2] - side, 0)
            pads += [total // 2, total - total // 2]
        groups = x.shape[1] // weight.shape[1]
        y = functional.conv2d(functional.pad(x, pads), weight, stride=stride, groups=groups)
        mean, variance, scale, shift = (
            weights[f"{norm}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (y - mean) / torch.sqrt(variance + 1e-3) * scale + shift

    x = functional.relu6(conv(x, "_conv_stem", "_bn0", 2))
    outputs: list[Tensor] = []
    for number in range(11):
        block, before = f"_blocks.{number}", x
        if f"{block}._expand_conv.weight" in weights:
            x = functional.relu6(conv(x, f"{block}._expand_conv", f"{block}._bn0", 1))
        x = functional.relu6(conv(x, f"{block}._depthwise_conv", f"{block}._bn1", STRIDES.get(number, 1)))
        x = conv(x, f"{block}._project_conv", f"{block}._bn2", 1)
        x = x + before if x.shape == before.shape else x
        outputs.append(x)
    return outputs


@pytest.mark.parametrize("size_hw", [(64, 64), (63, 90), (33, 50)])
def test_levels_are_those_of_the_published_weights(weights: Mapping[str, Tensor], size_hw: tuple[int, int]) -> None:
    network = EfficientNetLite0((4, 8, 16))
    network.load_published(weights)
    found = network.freeze()(image(*size_hw))
    expected = by_hand(weights, image(*size_hw))
    for level, stride in zip(found, (4, 8, 16), strict=True):
        assert level.shape[1] == CHANNELS[stride]
        torch.testing.assert_close(level, expected[LEVELS[stride]], rtol=1e-3, atol=1e-3)


def test_blocks_beyond_the_coarsest_level_are_left_out() -> None:
    assert len(EfficientNetLite0((4,)).blocks) < len(EfficientNetLite0((8,)).blocks) < 11
    assert len(EfficientNetLite0((8, 16)).blocks) == 11


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("size", [8, 9])
def test_an_odd_pixel_of_padding_goes_to_the_end(kernel: int, size: int) -> None:
    # A single bright pixel of the input tells which cells see it: 'same' centres cell 0 on the pixel that it should.
    layer = SameConv(1, 1, kernel, stride=2).eval()
    torch.nn.init.ones_(layer.conv.weight)
    seen = []
    for place in range(size):
        line = torch.zeros(1, 1, size, size)
        line[..., place] = 1.0
        seen.append(tuple((layer(line)[0, 0, 1] > 0.1).nonzero().flatten().tolist()))
    total = max((-(-size // 2) - 1) * 2 + kernel - size, 0)
    first = -(total // 2)
    expected = [
        tuple(cell for cell in range(-(-size // 2)) if first + 2 * cell <= place < first + 2 * cell + kernel)
        for place in range(size)
    ]
    assert seen == expected


@pytest.mark.parametrize("name", ["_conv_stem.weight", "_blocks.3._bn1.running_mean"])
def test_weights_that_lack_a_tensor_are_refused(weights: Mapping[str, Tensor], name: str) -> None:
    spoiled = {key: tensor for key, tensor in weights.items() if key != name}
    with pytest.raises(DataError, match="not those of EfficientNet-Lite0") as caught:
        EfficientNetLite0((8,)).load_published(spoiled)
    assert len(str(caught.value).splitlines()) == 1


def test_weights_of_another_shape_are_refused(weights: Mapping[str, Tensor]) -> None:
    with pytest.raises(DataError, match="not those of EfficientNet-Lite0"):
        EfficientNetLite0((8,)).load_published({**weights, "_conv_stem.weight": torch.zeros(32, 3, 5, 5)})
