"""Folding changes where batch norm is computed, and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from crystaledge.errors import DataError
from crystaledge_training.quantization.fold import fold_batch_norm
from tests.training.builders import random_faces, tiny_network
from tests.training.quantization.builders import example, small_network


def test_the_folded_network_computes_the_same() -> None:
    network, arguments = small_network(), example()
    folded = fold_batch_norm(network)
    for found, expected in zip(folded(*arguments), network(*arguments), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_mnemosyne_too_and_its_parameters_have_the_names_of_the_exported_graph() -> None:
    network = tiny_network()
    folded = fold_batch_norm(network)
    faces, state = random_faces(2), torch.rand(2, 8)
    for found, expected in zip(folded(faces, state), network(faces, state), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    names = set(folded.state_dict())
    assert {"encoder.stem.0.weight", "encoder.blocks.2.shortcut.0.bias", "cell.weight_hh"} <= names
    assert not [name for name in names if ".1." in name.replace("blocks.1.", "")]


def test_the_original_is_left_as_it_was() -> None:
    network = small_network()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    fold_batch_norm(network)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert isinstance(network.stem[1], nn.BatchNorm2d)


@pytest.mark.parametrize(
    "network", [nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)), nn.BatchNorm1d(3)], ids=["after ReLU", "alone"]
)
def test_a_batch_norm_that_follows_no_layer_is_refused(network: nn.Module) -> None:
    with pytest.raises(DataError, match="cannot be folded"):
        fold_batch_norm(network)
