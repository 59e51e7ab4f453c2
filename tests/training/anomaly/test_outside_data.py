"""Every backbone says where its weights come from."""

from __future__ import annotations

from crystaledge_training.anomaly.backbone_kind import BackboneKind
from crystaledge_training.anomaly.outside_data import OUTSIDE_DATA


def test_every_backbone_says_so_in_one_line() -> None:
    assert set(OUTSIDE_DATA) == set(BackboneKind)
    assert all(line and "\n" not in line for line in OUTSIDE_DATA.values())


def test_weights_of_imagenet_are_named_with_their_licence() -> None:
    assert "ImageNet" in OUTSIDE_DATA[BackboneKind.EFFICIENTNET_LITE0]
    assert "Apache-2.0" in OUTSIDE_DATA[BackboneKind.EFFICIENTNET_LITE0]
