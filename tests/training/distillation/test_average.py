"""The running average against a naive one, batch-norm statistics included."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from crystaledge_training.distillation.average import decay_at, running_average


@pytest.mark.parametrize(("count", "expected"), [(0, 0.1), (1, 2 / 11), (90, 0.91), (10_000, 0.998)])
def test_the_past_counts_little_at_first(count: int, expected: float) -> None:
    assert decay_at(count, 0.998) == pytest.approx(expected)


def test_follows_every_number_that_changes() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = running_average(network, 0.5)
    expected: dict[str, torch.Tensor] = {}
    for count in range(6):
        with torch.no_grad():
            for tensor in network.state_dict().values():
                tensor += torch.randn_like(tensor) if tensor.is_floating_point() else 1
        average.update_parameters(network)
        keep = decay_at(count, 0.5) if count else 0.0  # the first step is copied
        for name, now in network.state_dict().items():
            if now.is_floating_point():
                expected[name] = keep * expected.get(name, torch.zeros_like(now)) + (1 - keep) * now
    found = average.module.state_dict()
    for name, mean in expected.items():
        torch.testing.assert_close(found[name], mean)
    assert int(found["1.num_batches_tracked"]) == 6
    assert set(expected) == set(found) - {"1.num_batches_tracked"}


def test_is_a_copy_that_no_gradient_reaches() -> None:
    network = nn.Linear(2, 2)
    average = running_average(network, 0.5)
    assert not any(p.requires_grad for p in average.parameters())
    assert all(p.requires_grad for p in network.parameters())
    before = average.module.get_parameter("weight").clone()
    with torch.no_grad():
        network.weight += 1.0
    assert torch.equal(average.module.get_parameter("weight"), before)
