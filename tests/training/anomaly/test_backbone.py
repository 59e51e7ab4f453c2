"""What every backbone promises: levels that it has, and nothing that moves once it is frozen."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from crystaledge.errors import DataError
from crystaledge_training.anomaly.backbone import Backbone, require_levels
from crystaledge_training.anomaly.efficientnet_lite0 import EfficientNetLite0
from crystaledge_training.anomaly.published import STUDENT_WIDTHS, TEACHER_WIDTHS, PublishedTrunk

BACKBONES = [
    pytest.param(lambda: EfficientNetLite0((4, 8, 16)), id="efficientnet_lite0"),
    pytest.param(lambda: PublishedTrunk((2, 4, 8)), id="published"),
]


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=BACKBONES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    torch.manual_seed(0)
    made = request.param()
    assert isinstance(made, Backbone)
    return made


class TestLevels:
    @pytest.mark.parametrize("size_hw", [(64, 64), (50, 83), (17, 32)])
    def test_have_the_cells_and_channels_that_are_promised(self, backbone: Backbone, size_hw: tuple[int, int]) -> None:
        found = backbone.eval()(images(2, 3, *size_hw))
        for level, stride, channels in zip(found, backbone.strides, backbone.channels, strict=True):
            assert level.shape == (2, channels, -(-size_hw[0] // stride), -(-size_hw[1] // stride))

    @pytest.mark.parametrize("levels", [(), (3,), (8, 4), (4, 4), (4, 8, 64)])
    def test_that_a_backbone_does_not_have_are_refused(self, levels: tuple[int, ...]) -> None:
        with pytest.raises(DataError, match=r"X has no levels .* strides among \[4, 8, 16\]"):
            require_levels(levels, (4, 8, 16), "X")

    def test_that_it_has_are_not(self) -> None:
        require_levels((4, 16), (4, 8, 16), "X")

    def test_are_the_same_whatever_else_is_asked_for(self) -> None:
        torch.manual_seed(0)
        whole = EfficientNetLite0((4, 8, 16)).eval()
        one = EfficientNetLite0((8,)).eval()
        one.load_state_dict(whole.state_dict(), strict=False)
        assert torch.equal(one(images(1, 3, 32, 32))[0], whole(images(1, 3, 32, 32))[1])


class TestFreeze:
    def test_stops_every_gradient(self, backbone: Backbone) -> None:
        assert backbone.freeze() is backbone
        assert not any(parameter.requires_grad for parameter in backbone.parameters())
        assert not any(level.requires_grad for level in backbone(images(1, 3, 32, 32)))

    def test_holds_against_training_mode_from_outside(self, backbone: Backbone) -> None:
        holder = torch.nn.Sequential(backbone.freeze())
        before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
        holder.train()
        assert not any(module.training for module in backbone.modules())
        backbone(images(4, 3, 32, 32))
        assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())

    def test_is_what_keeps_statistics_still(self, backbone: Backbone) -> None:
        before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
        backbone.train()(images(4, 3, 32, 32))
        assert any(not torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())


class TestPublished:
    def test_has_the_sizes_that_were_published(self) -> None:
        def count(trunk: PublishedTrunk) -> int:
            return sum(parameter.numel() for parameter in trunk.parameters())

        # Reference: architectures, 6.1 and 7.1.
        assert count(PublishedTrunk((8,))) == 371_712
        assert count(PublishedTrunk((4,))) == 76_032
        assert count(PublishedTrunk((4,), widths=STUDENT_WIDTHS)) == 38_208
        assert PublishedTrunk((4,)).channels == PublishedTrunk((4,), widths=STUDENT_WIDTHS).channels

    def test_is_rectified(self) -> None:
        assert all((level >= 0.0).all() for level in PublishedTrunk((2, 4, 8)).eval()(images(1, 3, 32, 32)))

    def test_knows_strides_up_to_its_last_stage(self) -> None:
        assert len(TEACHER_WIDTHS) == 3
        with pytest.raises(DataError, match="The published backbone has no levels"):
            PublishedTrunk((16,))
