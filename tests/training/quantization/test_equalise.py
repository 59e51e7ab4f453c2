"""Equalising moves scale between layers: the function stays, the channels' reaches become one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crystaledge_training.mnemosyne.qat_student import _boundaries
from crystaledge_training.quantization.equalise import Boundary, equalise
from crystaledge_training.quantization.fold import fold_batch_norm
from tests.training.builders import random_faces, tiny_network


def reaches(layer: nn.Module, run: Tensor, network: nn.Module) -> Tensor:
    seen: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    with torch.no_grad():
        network(run)
    handle.remove()
    return seen[0].abs().transpose(0, 1).flatten(1).amax(dim=1)


def test_every_channel_reaches_as_far_as_the_others_and_the_output_is_the_same() -> None:
    torch.manual_seed(0)
    first, second, third = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 2, 1)
    first.weight.data *= torch.logspace(-1, 0.5, 8).view(8, 1, 1, 1)
    network = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third)
    for name, bias in network.named_parameters():
        if name.endswith("bias"):
            bias.data.uniform_(0.5, 1.0)  # no channel is silent
    x = torch.randn(16, 3, 6, 6)
    before = network(x)
    boundaries = [Boundary(makers=(first,), readers=(second,)), Boundary(makers=(second,), readers=(third,))]
    equalise(boundaries, lambda: network(x), share=1.0)
    torch.testing.assert_close(network(x), before, rtol=1e-4, atol=1e-5)
    for layer in (second, third):
        reach = reaches(layer, x, network)
        assert reach.max() / reach.min() < 1.03


def test_mnemosyne_is_the_same_network_afterwards() -> None:
    network = fold_batch_norm(tiny_network())
    faces, state = random_faces(6), torch.rand(6, 8) - 0.5
    before = network(faces, state)
    weights = {k: v.clone() for k, v in network.state_dict().items()}
    equalise(_boundaries(network), lambda: network.encode(faces), share=0.999)
    for found, expected in zip(network(faces, state), before, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    moved = {k for k, v in network.state_dict().items() if not torch.equal(v, weights[k])}
    assert {k for k in weights if k.endswith("weight")} - moved == {"convergence.weight"}
    assert "cell.weight_ih" in moved


def test_a_silent_channel_is_left_as_it_is_and_moves_no_other() -> None:
    torch.manual_seed(0)
    first, second = nn.Linear(3, 4), nn.Linear(4, 2)
    first.bias.data = torch.tensor([-100.0, 1.0, 1.0, 1.0])  # the first never passes the ReLU
    network, x = nn.Sequential(first, nn.ReLU(), second), torch.randn(50, 3)
    before, row, column = network(x), first.weight[0].clone(), second.weight[:, 0].clone()
    equalise([Boundary(makers=(first,), readers=(second,))], lambda: network(x), share=1.0)
    torch.testing.assert_close(network(x), before, rtol=1e-4, atol=1e-5)
    assert torch.equal(first.weight[0], row)
    assert torch.equal(second.weight[:, 0], column)
    assert reaches(second, x, network)[1:].prod() ** (1 / 3) < 10.0
