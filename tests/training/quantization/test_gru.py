"""The spelt-out GRU cell against PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from crystaledge_training.quantization.gru import GemmGRUCell, spell_out_gru_cells


@pytest.mark.parametrize("bias", [True, False])
def test_is_the_cell_it_was_made_from(bias: bool) -> None:
    torch.manual_seed(0)
    cell = nn.GRUCell(5, 3, bias=bias)
    spelt = GemmGRUCell(cell)
    x, state = torch.randn(7, 5), torch.randn(7, 3) * 3.0
    torch.testing.assert_close(spelt(x, state), cell(x, state), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(spelt(x), cell(x), rtol=1e-5, atol=1e-6)  # from the zero state
    torch.testing.assert_close(spelt(x[0], state[0]), cell(x[0], state[0]), rtol=1e-5, atol=1e-6)


def test_every_cell_inside_a_module_is_replaced_once() -> None:
    network = nn.ModuleDict({"a": nn.GRUCell(2, 3), "b": nn.Sequential(nn.GRUCell(3, 3))})
    before = {k: v.clone() for k, v in network.state_dict().items()}
    spell_out_gru_cells(network)
    first = network["a"]
    spell_out_gru_cells(network)
    assert [type(m) for m in network.modules() if isinstance(m, nn.GRUCell)] == [GemmGRUCell, GemmGRUCell]
    assert network["a"] is first
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
