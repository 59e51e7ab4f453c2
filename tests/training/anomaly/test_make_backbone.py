"""From the name of a backbone to the network: frozen, with the weights that it should have, or a word on what lacks."""

from __future__ import annotations

import pytest
import torch

from crystaledge.errors import DataError, MissingExtraError
from crystaledge_training.anomaly import make_backbone as module
from crystaledge_training.anomaly.backbone_kind import BackboneKind
from crystaledge_training.anomaly.imagenet_weights import efficientnet_lite0_weights
from crystaledge_training.anomaly.make_backbone import channels_of, make_backbone, preprocessing_of
from crystaledge_training.anomaly.outside_data import OUTSIDE_DATA

LEVELS = {BackboneKind.EFFICIENTNET_LITE0: (4, 8, 16), BackboneKind.PUBLISHED: (2, 4, 8)}


@pytest.mark.parametrize("kind", BackboneKind)
class TestEveryKind:
    def test_is_frozen(self, kind: BackboneKind) -> None:
        backbone = make_backbone(kind, LEVELS[kind])
        assert not backbone.train().training
        assert not any(parameter.requires_grad for parameter in backbone.parameters())

    def test_has_the_channels_that_are_known_without_making_it(self, kind: BackboneKind) -> None:
        for levels in (LEVELS[kind], LEVELS[kind][1:], LEVELS[kind][:1]):
            assert channels_of(kind, levels) == make_backbone(kind, levels, pretrained=False).channels

    def test_refuses_levels_that_it_does_not_have(self, kind: BackboneKind) -> None:
        for ask in (channels_of, lambda kind, levels: make_backbone(kind, levels, pretrained=False)):
            with pytest.raises(DataError, match=r"has no levels \[5\]"):
                ask(kind, (5,))

    def test_sees_the_whole_image_at_any_size(self, kind: BackboneKind) -> None:
        spec = preprocessing_of(kind, (40, 72))
        assert spec.size_hw == (40, 72) and spec.center_share == 1.0

    def test_is_told_where_its_weights_come_from(self, kind: BackboneKind) -> None:
        assert OUTSIDE_DATA[kind]


def test_pretrained_weights_are_those_of_the_package() -> None:
    backbone = make_backbone(BackboneKind.EFFICIENTNET_LITE0, (8,))
    stem = backbone.state_dict()["stem.conv.weight"]
    assert torch.equal(stem, efficientnet_lite0_weights()["_conv_stem.weight"])


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(target: str, *, extra: str, purpose: str) -> object:
        msg = f"{purpose} needs {extra}."
        raise MissingExtraError(msg)

    monkeypatch.setattr(module, "load", missing)
    with pytest.raises(MissingExtraError, match="ImageNet weights needs anomaly"):
        make_backbone(BackboneKind.EFFICIENTNET_LITE0, (8,))
    make_backbone(BackboneKind.EFFICIENTNET_LITE0, (8,), pretrained=False)  # a checkpoint brings them


def test_pixels_become_what_the_lite_models_were_trained_on() -> None:
    spec = preprocessing_of(BackboneKind.EFFICIENTNET_LITE0, (8, 8))
    for value in (0, 127, 255):
        assert (value * spec.scale - spec.mean[0]) / spec.std[0] == pytest.approx((value - 127) / 128, abs=1e-9)
