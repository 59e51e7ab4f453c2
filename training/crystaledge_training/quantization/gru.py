"""A GRU cell in its two matrix products, so that only what enters them is rounded."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class GemmGRUCell(nn.GRUCell):
    """`nn.GRUCell` spelt out: inputs `(B, input)`, states `(B, hidden)`; equal to it while its ranges do nothing.

    Gates, their sums and the state itself stay in float; the state is rounded only on its way into the
    hidden-to-hidden product. The reset gate acts after that product, as in PyTorch and in ONNX with
    `linear_before_reset`.
    """

    def __init__(self, cell: nn.GRUCell) -> None:
        super().__init__(cell.input_size, cell.hidden_size, cell.bias)
        self.load_state_dict(cell.state_dict())
        self.to(cell.weight_ih)
        self.input_range: nn.Module = nn.Identity()
        self.state_range: nn.Module = nn.Identity()

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        state = input.new_zeros(*input.shape[:-1], self.hidden_size) if hx is None else hx
        from_input = functional.linear(self.input_range(input), self.weight_ih, self.bias_ih)
        from_state = functional.linear(self.state_range(state), self.weight_hh, self.bias_hh)
        reset_input, update_input, new_input = from_input.chunk(3, dim=-1)
        reset_state, update_state, new_state = from_state.chunk(3, dim=-1)
        reset = torch.sigmoid(reset_input + reset_state)
        update = torch.sigmoid(update_input + update_state)
        new = torch.tanh(new_input + reset * new_state)
        return new + update * (state - new)


def spell_out_gru_cells(module: nn.Module) -> None:
    """Replace every `nn.GRUCell` inside a module, in place; weights are kept."""
    cells = [name for name, m in module.named_modules() if isinstance(m, nn.GRUCell)]
    for name in cells:
        cell = module.get_submodule(name)
        if isinstance(cell, nn.GRUCell) and not isinstance(cell, GemmGRUCell):
            module.set_submodule(name, GemmGRUCell(cell))
