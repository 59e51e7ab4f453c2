"""The network: the published sizes, the shapes of its maps, how far it sees, and that modules are pure."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from crystaledge_training.blocks import DepthwiseResidual
from crystaledge_training.parameters import parameter_count
from crystaledge_training.phantom.config import PRIOR_PROBABILITY, PhantomConfig
from crystaledge_training.phantom.network import Phantom, TrackCell
from tests.training.phantom.builders import SIZES, random_phantom


def count(*modules: nn.Module | None) -> int:
    return sum(parameter_count(module) for module in modules if module is not None)


class TestParameters:
    """Architectures, section 3.1."""

    def test_of_each_part(self) -> None:
        network = Phantom(PhantomConfig())
        detector, track = network.detector, network.track
        assert count(detector.stem) == 480
        assert count(detector.stage1) == 2_040
        assert count(detector.stage2) == 3_520
        assert count(detector.stage3) == 6_768
        assert count(detector.stem, detector.stage1, detector.stage2, detector.stage3) == 12_808
        assert count(detector.shared, detector.logit, detector.box) == 9_413
        assert count(track.event1, track.event2) == 5_328
        assert count(track.roi) == 13_872
        assert count(track.merge, track.cell, track.box_delta, track.score, track.velocity, track.birth) == 30_632

    def test_in_all(self) -> None:
        assert count(Phantom(PhantomConfig())) == 72_053

    def test_stage_3_can_be_left_out(self) -> None:
        network = Phantom(replace(PhantomConfig(), stage3=0))
        assert network.detector.stage3 is None
        assert count(network) == 72_053 - 6_768

    def test_what_is_frozen_is_not_counted(self) -> None:
        layer = nn.Linear(3, 2)
        layer.bias.requires_grad_(False)
        assert parameter_count(layer) == 6


class TestBlock:
    @pytest.mark.parametrize(("channels_out", "stride"), [(4, 1), (4, 2), (6, 1), (6, 2)])
    def test_has_a_shortcut_convolution_where_the_shape_changes(self, channels_out: int, stride: int) -> None:
        block = DepthwiseResidual(4, channels_out, stride=stride)
        assert block(torch.zeros(2, 4, 8, 12)).shape == (2, channels_out, 8 // stride, 12 // stride)
        assert bool(len(block.shortcut)) == (stride != 1 or channels_out != 4)

    def test_adds_what_comes_in(self) -> None:
        block = DepthwiseResidual(4, 4, stride=1).eval()
        nn.init.zeros_(block.pointwise[0].weight)  # type: ignore[arg-type]
        nn.init.zeros_(block.pointwise[0].bias)  # type: ignore[arg-type]
        x = torch.randn(1, 4, 5, 5)
        assert torch.allclose(block(x), x.relu())


class TestDetector:
    def test_gives_a_cell_every_4_px(self) -> None:
        maps = random_phantom().detector(torch.zeros(2, 3, 48, 80))
        assert maps.logit.shape == (2, 1, 12, 20)
        assert maps.box.shape == (2, 4, 12, 20)
        assert maps.features.shape == (2, SIZES.stage2, 12, 20)
        assert maps.features.min() >= 0.0

    def test_expects_few_faces_at_first(self) -> None:
        torch.manual_seed(0)
        bias = Phantom(PhantomConfig()).detector.logit.bias
        assert bias is not None
        assert torch.sigmoid(bias).item() == pytest.approx(PRIOR_PROBABILITY, rel=1e-5)

    def test_the_prior_is_one_in_a_hundred(self) -> None:
        from crystaledge_training.phantom.network import _prior_bias

        assert _prior_bias(0.01) == pytest.approx(-math.log(99.0))

    def test_features_are_those_of_the_maps(self) -> None:
        detector, image = random_phantom().detector, torch.randn(1, 3, 32, 32)
        assert torch.equal(detector.features(image), detector(image).features)

    @pytest.mark.parametrize(("field", "pixels"), [("features", 23), ("logit", 31), ("box", 31)])
    def test_sees_so_far(self, field: str, pixels: int) -> None:
        detector = _linear(random_phantom(PhantomConfig()).detector)
        image = torch.zeros(1, 3, 96, 96, requires_grad=True)
        output: Tensor = getattr(detector(image), field)
        output[0, :, 12, 12].sum().backward()  # type: ignore[no-untyped-call]
        assert image.grad is not None
        seen = image.grad[0].abs().sum(dim=0)
        rows, columns = seen.amax(dim=1).nonzero()[:, 0], seen.amax(dim=0).nonzero()[:, 0]
        assert int(rows[-1] - rows[0]) + 1 == pixels
        assert int(columns[-1] - columns[0]) + 1 == pixels


def _linear(module: nn.Module) -> nn.Module:
    """The module with all weights positive on positive signals, so that no rectifier and no chance hides a path."""
    for name, tensor in module.state_dict().items():
        if name.endswith("running_mean"):
            tensor.zero_()
        elif tensor.is_floating_point():
            tensor.abs_().add_(0.01)
    return module


class TestTrackCell:
    @staticmethod
    def look(cell: TrackCell, tracks: int = 3) -> tuple[Tensor, Tensor, Tensor]:
        generator = torch.Generator().manual_seed(1)
        sizes = ((tracks, SIZES.stage2 * 9), (tracks, 4, 48, 48), (tracks, cell.cell.hidden_size))
        roi, patch, hidden = (torch.randn(size, generator=generator) for size in sizes)
        return roi, patch, hidden

    def test_gives_one_row_a_track_in_the_ranges_it_says(self) -> None:
        cell = random_phantom().track
        looked = cell(*self.look(cell))
        assert [tuple(t.shape) for t in looked] == [(3, SIZES.track_hidden), (3, 4), (3, 1), (3, 2), (3, 1)]
        assert looked.hidden.abs().max() <= 2.0
        for probability in (looked.score, looked.birth):
            assert probability.min() > 0.0 and probability.max() < 1.0

    def test_rows_do_not_know_of_one_another(self) -> None:
        cell = random_phantom().track
        inputs = self.look(cell)
        together = cell(*inputs)
        for row in range(3):
            alone = cell(*(t[row : row + 1] for t in inputs))
            for a, b in zip(alone, together, strict=True):
                assert torch.allclose(a, b[row : row + 1], atol=1e-6)

    def test_birth_is_from_this_look_alone_and_the_score_is_not(self) -> None:
        cell = random_phantom().track
        roi, patch, hidden = self.look(cell)
        first, second = cell(roi, patch, hidden), cell(roi, patch, -hidden)
        assert torch.equal(first.birth, second.birth)
        assert not torch.allclose(first.score, second.score)

    def test_the_score_is_a_logistic_function_of_twice_the_head(self) -> None:
        cell = random_phantom().track
        looked = cell(*self.look(cell))
        assert torch.allclose(looked.score, torch.sigmoid(2.0 * cell.score(looked.hidden)), atol=1e-6)
