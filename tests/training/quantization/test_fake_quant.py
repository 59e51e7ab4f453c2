"""Where rounding sits, who shares a range, and that with rounding off nothing has changed."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crystaledge.errors import DataError
from crystaledge_training.quantization.fake_quant import activation_ranges, attach, float_parameters
from crystaledge_training.quantization.fold import fold_batch_norm
from crystaledge_training.quantization.rounding import LEVELS, unrounded
from tests.training.quantization.builders import SmallRecurrent, example, set_range, small_network
from tests.training.quantization.test_rounding import Array, onnx_int8


def prepared(*, keep_float: tuple[str, ...] = (), amax: float = 2.0) -> SmallRecurrent:
    network = fold_batch_norm(small_network())
    attach(network, *example(), keep_float=keep_float)
    for held in activation_ranges(network).values():
        set_range(held, amax)
    return network


def rounded(x: Tensor, amax: Tensor) -> Array:
    return onnx_int8(x.detach().numpy(), (amax.detach() / LEVELS).numpy(), lowest=-128)


def rounded_rows(weight: Tensor) -> Array:
    rows = weight.detach().numpy()
    scales = np.abs(rows).reshape(len(rows), -1).max(axis=1) / np.float32(127)
    return onnx_int8(rows, scales.reshape(-1, *[1] * (rows.ndim - 1)), lowest=-127)


def test_with_rounding_off_the_network_is_the_one_it_was_made_from() -> None:
    network, folded = prepared(), fold_batch_norm(small_network())
    with unrounded(network):
        off = network(*example())
    for found, expected in zip(off, folded(*example()), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert not torch.equal(network(*example())[0], off[0])  # and on again


def test_readers_of_the_same_tensor_share_one_range_and_others_do_not() -> None:
    ranges = activation_ranges(prepared())
    groups: dict[int, set[str]] = {}
    for name, held in ranges.items():
        groups.setdefault(id(held), set()).add(name)
    assert sorted(map(sorted, groups.values())) == [
        ["range.cell.weight_hh"],
        ["range.cell.weight_ih", "range.gate.0.weight"],
        ["range.depthwise.weight", "range.shortcut.weight"],
        ["range.head.weight"],
        ["range.stem.0.weight"],
        ["skip_range.shortcut.weight"],
    ]


def test_a_linear_layer_multiplies_rounded_values_with_rounded_weights_and_keeps_its_bias() -> None:
    network = prepared()
    held, weights = activation_ranges(network)["range.head.weight"], float_parameters(network)
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(3)) * 2.0
    expected = rounded(x, held.amax) @ rounded_rows(weights["head.weight"]).T + weights["head.bias"].detach().numpy()
    np.testing.assert_allclose(network.head(x).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_the_cell_rounds_the_state_into_its_product_and_mixes_the_state_itself_in_float() -> None:
    network = prepared(amax=0.5)
    weights = {k: v.detach().double() for k, v in float_parameters(network).items()}
    ranges = activation_ranges(network)
    x, state = torch.rand(3, 6), torch.tensor([[0.9, -0.9, 0.1, 0.3]]).repeat(3, 1)  # beyond the range
    gates = []
    for side, value in (("ih", x), ("hh", state)):
        into = torch.from_numpy(rounded(value, ranges[f"range.cell.weight_{side}"].amax)).double()
        rows = torch.from_numpy(rounded_rows(weights[f"cell.weight_{side}"].float())).double()
        gates.append((into @ rows.T + weights[f"cell.bias_{side}"]).chunk(3, dim=1))
    (ir, iz, inew), (hr, hz, hnew) = gates
    update, new = torch.sigmoid(iz + hz), torch.tanh(inew + torch.sigmoid(ir + hr) * hnew)
    expected = (1 - update) * new + update * state.double()
    torch.testing.assert_close(network.cell(x, state).double(), expected, rtol=1e-5, atol=1e-6)


def test_a_state_beyond_its_range_is_clipped_and_the_loop_shows_it() -> None:
    network = prepared(amax=4.0)
    held = activation_ranges(network)["range.cell.weight_hh"]
    image, state = example()

    def run(amax: float) -> Tensor:
        set_range(held, amax)
        current = state
        for _ in range(8):
            current = network(image, current)[0]
        return current

    wide, narrow = run(1.0), run(0.05)
    with unrounded(network):
        known = run(1.0)
    assert (narrow - known).abs().max() > 3 * (wide - known).abs().max()


@pytest.mark.parametrize("kept", ["depthwise.weight", "shortcut.weight"])
def test_a_skip_branch_is_rounded_only_where_both_sides_of_its_sum_are(kept: str) -> None:
    whole, partly = prepared(), prepared(keep_float=(kept,))
    assert "skip_range.shortcut.weight" not in activation_ranges(partly)
    held = activation_ranges(whole)["skip_range.shortcut.weight"]
    x = torch.rand(1, 6, 4, 4)
    unrounded_sum = prepared(keep_float=("depthwise.weight",)).shortcut(x)
    np.testing.assert_array_equal(whole.shortcut(x).detach().numpy(), rounded(unrounded_sum, held.amax))


def test_a_copy_has_ranges_of_its_own_that_it_still_shares_within() -> None:
    network = prepared()
    twin = copy.deepcopy(network)
    set_range(activation_ranges(twin)["range.gate.0.weight"], 0.01)
    assert float(activation_ranges(twin)["range.cell.weight_ih"].amax.detach()) == pytest.approx(0.01)
    assert float(activation_ranges(network)["range.cell.weight_ih"].amax.detach()) == pytest.approx(2.0)
    encoding = torch.rand(2, 6)
    assert torch.equal(network.gate(encoding), prepared().gate(encoding))
    assert not torch.equal(twin.gate(encoding), network.gate(encoding))


def test_parameters_keep_their_names_and_values() -> None:
    folded, found = fold_batch_norm(small_network()), float_parameters(prepared())
    expected = dict(folded.named_parameters())
    assert set(found) == set(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("layer", [nn.Conv1d(1, 1, 1), nn.LSTMCell(2, 2), nn.GRU(2, 2), nn.BatchNorm2d(2)])
def test_layers_it_does_not_know_are_refused(layer: nn.Module) -> None:
    with pytest.raises(DataError, match="knows Conv2d, Linear and GRUCell"):
        attach(nn.Sequential(layer), torch.zeros(1))


def test_a_layer_that_the_forward_call_leaves_out_is_refused() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.used(x))

    with pytest.raises(DataError, match="'idle' is not used"):
        attach(Idle(), torch.zeros(1, 2))
