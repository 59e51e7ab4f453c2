"""The network against the published counts and equations (architectures, 1.1 and 1.2)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from crystaledge_training.blocks import DepthwiseResidual
from crystaledge_training.mnemosyne.config import MnemosyneConfig, QualityGate
from crystaledge_training.mnemosyne.network import Mnemosyne
from crystaledge_training.parameters import parameter_count
from tests.training.builders import random_faces, tiny_network

Array = NDArray[np.float64]


def test_the_default_network_has_the_published_number_of_parameters() -> None:
    assert parameter_count(Mnemosyne(MnemosyneConfig())) == 43_379


@given(encoding=st.integers(1, 130), hidden=st.integers(1, 100))
def test_other_sizes_follow_the_formula(encoding: int, hidden: int) -> None:
    e, h = encoding, hidden
    expected = 7_344 + 49 * e + (e + 1) + 3 * h * (e + h) + 6 * h + 2 * h + 2
    assert parameter_count(Mnemosyne(MnemosyneConfig(encoding=e, hidden=h))) == expected


@pytest.mark.parametrize(
    ("part", "count"),
    [
        ("encoder.stem", 480),
        ("encoder.blocks.0", 1_104),
        ("encoder.blocks.0.shortcut", 456),
        ("encoder.blocks.0.depthwise", 192),
        ("encoder.blocks.0.pointwise", 456),
        ("encoder.blocks.1", 2_016),
        ("encoder.blocks.1.shortcut", 864),
        ("encoder.blocks.1.depthwise", 288),
        ("encoder.blocks.1.pointwise", 864),
        ("encoder.blocks.2", 3_744),
        ("encoder.blocks.2.shortcut", 1_680),
        ("encoder.blocks.2.depthwise", 384),
        ("encoder.blocks.2.pointwise", 1_680),
        ("encoder.projection", 4_704),
        ("quality", 97),
        ("cell", 31_104),
        ("convergence", 130),
    ],
)
def test_each_layer_has_its_published_subtotal(part: str, count: int) -> None:
    assert parameter_count(Mnemosyne(MnemosyneConfig()).get_submodule(part)) == count


def test_batch_norm_keeps_592_running_values() -> None:
    state = Mnemosyne(MnemosyneConfig()).state_dict()
    running = [t.numel() for name, t in state.items() if name.endswith(("running_mean", "running_var"))]
    assert sum(running) == 592


def test_parameter_count_leaves_out_what_is_frozen() -> None:
    network = Mnemosyne(MnemosyneConfig())
    network.cell.requires_grad_(False)
    assert parameter_count(network) == 43_379 - 31_104


def test_fresh_weights_are_within_their_bounds_and_biases_are_zero() -> None:
    torch.manual_seed(0)
    network = Mnemosyne(MnemosyneConfig())
    bounds = {
        "encoder.stem.0": math.sqrt(6 / 27),
        "encoder.blocks.0.depthwise.0": math.sqrt(6 / 9),
        "encoder.blocks.1.pointwise.0": math.sqrt(6 / 24),
        "encoder.blocks.2.shortcut.0": math.sqrt(6 / 32),
        "encoder.projection": math.sqrt(6 / 48),
        "quality": math.sqrt(6 / 96),
        "convergence": math.sqrt(6 / 64),
    }
    for name, bound in bounds.items():
        weight = network.get_parameter(f"{name}.weight")
        # PyTorch's own default, sqrt(1 / fan_in), would stay far below nine tenths of this bound.
        assert 0.9 * bound < weight.abs().max() <= bound, name
    assert 0.98 * math.sqrt(6 / 288) < network.cell.weight_ih.abs().max() <= math.sqrt(6 / 288)
    assert 0.98 * math.sqrt(6 / 256) < network.cell.weight_hh.abs().max() <= math.sqrt(6 / 256)
    assert all(not tensor.any() for name, tensor in network.named_parameters() if "bias" in name)


def test_feature_maps_have_the_published_shapes() -> None:
    network = tiny_network(sizes=MnemosyneConfig())
    shapes: list[tuple[int, ...]] = []

    def note(module: nn.Module, arguments: object, output: Tensor) -> None:
        shapes.append(tuple(output.shape[1:]))

    for part in (network.encoder.stem, *network.encoder.blocks, network.encoder.projection):
        part.register_forward_hook(note)
    network(random_faces(1, side=64), network.initial_state(1))
    assert shapes == [(16, 32, 32), (24, 16, 16), (32, 8, 8), (48, 4, 4), (96,)]


@pytest.mark.parametrize("side", [64, 32])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_step_has_the_promised_shapes_and_ranges(side: int, batch: int) -> None:
    network = tiny_network(sizes=MnemosyneConfig())
    encoding, _ = network.encode(random_faces(batch, side=side))
    step = network(random_faces(batch, side=side), network.initial_state(batch))
    assert encoding.shape == (batch, 96)
    assert encoding.min() >= 0
    assert encoding.max() > 0
    assert step.hidden.shape == (batch, 64)
    for tensor in (step.velocity, step.quality):
        assert tensor.shape == (batch, 1)
        assert ((tensor > 0) & (tensor < 1)).all()
    assert step.log_variance.shape == (batch, 1)


def test_the_initial_state_is_zeros() -> None:
    assert torch.equal(tiny_network().initial_state(3), torch.zeros(3, 8))


def test_a_block_is_the_sum_of_both_branches_by_naive_loops() -> None:
    torch.manual_seed(0)
    block = DepthwiseResidual(2, 3)
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low in ((module.weight, 0.5), (module.bias, -0.5), (module.running_mean, -0.5)):
                assert tensor is not None
                nn.init.uniform_(tensor, low, 1.0)
            assert module.running_var is not None
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    block.eval()
    x = torch.randn(1, 2, 6, 6)
    main = np.maximum(naive_conv(block.depthwise, x[0].double().numpy(), stride=2, padding=1, grouped=True), 0.0)
    main = naive_conv(block.pointwise, main, stride=1, padding=0, grouped=False)
    shortcut = naive_conv(block.shortcut, x[0].double().numpy(), stride=2, padding=0, grouped=False)
    with torch.no_grad():
        found = block(x)[0].numpy()
    np.testing.assert_allclose(found, np.maximum(main + shortcut, 0.0), atol=1e-5)
    assert found.max() > 0


def naive_conv(layers: nn.Sequential, x: Array, *, stride: int, padding: int, grouped: bool) -> Array:
    """Convolution and batch norm in inference mode, one output value at a time, `(C, H, W)`."""
    conv, norm = layers
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert conv.bias is not None
    weight = conv.weight.detach().double().numpy()
    size = weight.shape[2]
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    side = (x.shape[1] + 2 * padding - size) // stride + 1
    out = np.empty((len(weight), side, side))
    for channel, i, j in np.ndindex(out.shape):
        window = padded[:, i * stride : i * stride + size, j * stride : j * stride + size]
        seen = window[channel : channel + 1] if grouped else window
        out[channel, i, j] = (weight[channel] * seen).sum() + conv.bias[channel].item()
    mean, var = norm.running_mean.double().numpy(), norm.running_var.double().numpy()
    scale = norm.weight.detach().double().numpy() / np.sqrt(var + 1e-5)
    shifted: Array = (out - mean[:, None, None]) * scale[:, None, None]
    shifted += norm.bias.detach().double().numpy()[:, None, None]
    return shifted


def naive_gru(cell: nn.GRUCell, x: Array, h: Array) -> Array:
    """r, z, n gates written out; h' = (1 - z) n + z h."""

    def sigmoid(v: Array) -> Array:
        result: Array = 1.0 / (1.0 + np.exp(-v))
        return result

    w, u, b, c = (t.detach().double().numpy() for t in (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh))
    size = h.shape[1]
    reset, update, new = slice(0, size), slice(size, 2 * size), slice(2 * size, 3 * size)
    r = sigmoid(x @ w[reset].T + b[reset] + h @ u[reset].T + c[reset])
    z = sigmoid(x @ w[update].T + b[update] + h @ u[update].T + c[update])
    n = np.tanh(x @ w[new].T + b[new] + r * (h @ u[new].T + c[new]))
    following: Array = (1.0 - z) * n + z * h
    return following


@pytest.mark.parametrize("gate", list(QualityGate))
def test_a_step_follows_its_equations(gate: QualityGate) -> None:
    network = tiny_network(1, gate=gate)
    generator = torch.Generator().manual_seed(2)
    encoding = torch.rand(5, 12, generator=generator)
    quality = torch.rand(5, 1, generator=generator)
    hidden = torch.rand(5, 8, generator=generator) * 2 - 1
    with torch.no_grad():
        step = network.absorb(encoding, quality, hidden)
    e, q, h = (t.double().numpy() for t in (encoding, quality, hidden))
    if gate is QualityGate.INPUT:
        expected = naive_gru(network.cell, q * e, h)
    else:
        expected = h + q * (naive_gru(network.cell, e, h) - h)
    head = expected @ network.convergence.weight.detach().double().numpy().T
    head += network.convergence.bias.detach().double().numpy()
    np.testing.assert_allclose(step.hidden.numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(step.velocity.numpy()[:, 0], 1.0 / (1.0 + np.exp(-head[:, 0])), atol=1e-6)
    np.testing.assert_allclose(step.log_variance.numpy()[:, 0], head[:, 1], atol=1e-6)
    assert torch.equal(step.quality, quality)


def test_the_two_gates_are_two_functions() -> None:
    faces, hidden = random_faces(2), torch.full((2, 8), 0.3)
    with torch.no_grad():
        update = tiny_network(1, gate=QualityGate.UPDATE)(faces, hidden).hidden
        published = tiny_network(1, gate=QualityGate.INPUT)(faces, hidden).hidden
    assert not torch.allclose(update, published, atol=1e-3)


def worthless(network: Mnemosyne) -> Mnemosyne:
    """The network, finding every face worthless: a quality that float32 cannot tell from 0."""
    nn.init.zeros_(network.quality.weight)
    nn.init.constant_(network.quality.bias, -200.0)
    return network


def test_an_observation_without_quality_leaves_the_update_gated_state_untouched() -> None:
    network = worthless(tiny_network(1, gate=QualityGate.UPDATE))
    hidden = torch.rand(3, 8) * 2 - 1
    with torch.no_grad():
        step = network(random_faces(3), hidden)
    assert torch.equal(step.hidden, hidden)


def test_an_observation_without_quality_still_moves_the_input_gated_state() -> None:
    network = worthless(tiny_network(1, gate=QualityGate.INPUT))
    hidden = torch.rand(3, 8) * 2 - 1
    with torch.no_grad():
        step = network(random_faces(3), hidden)
    assert (step.hidden - hidden).abs().amax(dim=1).min() > 1e-2


def test_inference_is_deterministic_and_changes_nothing_in_the_module() -> None:
    network = tiny_network(1)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    faces, hidden = random_faces(4), torch.full((4, 8), 0.1)
    with torch.no_grad():
        first, second = network(faces, hidden), network(faces, hidden)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_inference_of_a_row_does_not_depend_on_the_rest_of_the_batch() -> None:
    network = tiny_network(1)
    faces, hidden = random_faces(6), torch.rand(6, 8) * 2 - 1
    with torch.no_grad():
        together = network(faces, hidden)
        alone = [network(faces[i : i + 1], hidden[i : i + 1]) for i in range(6)]
        network.train()
        trained_together, trained_alone = network(faces, hidden), network(faces[:1], hidden[:1])
    for index, tensor in enumerate(together):
        rows = torch.cat([step[index] for step in alone])
        torch.testing.assert_close(tensor, rows, atol=1e-6, rtol=0.0)
    # In training mode batch statistics tie the rows together; if this held too, the check above would say nothing.
    assert not torch.allclose(trained_together.hidden[:1], trained_alone.hidden, atol=1e-3)
