"""First ranges: percentiles of what float calls show."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crystaledge.errors import DataError
from crystaledge_training.quantization.fake_quant import activation_ranges, attach
from crystaledge_training.quantization.fold import fold_batch_norm
from crystaledge_training.quantization.ranges import MagnitudeHistogram, observing
from tests.training.quantization.builders import example, set_range, small_network


@pytest.mark.parametrize("share", [0.5, 0.99, 1.0])
def test_a_percentile_is_that_of_the_magnitudes_within_a_bin(share: float) -> None:
    values = torch.randn(2, 5000, generator=torch.Generator().manual_seed(0)) * torch.tensor([[1.0], [30.0]])
    histogram = MagnitudeHistogram(2)
    for part in torch.split(values, 1000, dim=1):
        histogram.add(torch.cat([part, torch.zeros(2, 500)], dim=1))  # zeros do not count
    expected = np.quantile(values.abs().numpy(), share, axis=1)
    np.testing.assert_allclose(histogram.percentile(share).numpy(), expected, rtol=0.03)


def test_a_channel_without_values_reaches_nowhere() -> None:
    histogram = MagnitudeHistogram(2)
    histogram.add(torch.tensor([[0.0, 0.0], [1.0, 2.0]]))
    reach = histogram.percentile(1.0)
    assert reach[0] == 0.0
    assert 2.0 <= reach[1] < 2.05


def test_ranges_are_those_of_the_float_network_even_where_they_clipped_before() -> None:
    network = fold_batch_norm(small_network())
    attach(network, *example())
    for held in activation_ranges(network).values():
        set_range(held, 1e-3)
    seen: list[float] = []
    known = fold_batch_norm(small_network())
    known.head.register_forward_pre_hook(lambda layer, arguments: seen.append(float(arguments[0].abs().max())))
    with observing(network, share=1.0):
        for seed in range(3):
            network(*example(seed=seed))
    with torch.no_grad():
        for seed in range(3):
            known(*example(seed=seed))
    found = float(activation_ranges(network)["range.head.weight"].amax.detach())
    assert max(seen) <= found < max(seen) * 1.02
    assert all(held.observer is None and held.enabled for held in activation_ranges(network).values())


def test_a_range_that_saw_nothing_is_refused() -> None:
    network = fold_batch_norm(small_network())
    attach(network, *example())
    with pytest.raises(DataError, match="No value but zero"), observing(network, share=1.0):
        pass
