"""From the name of a backbone to the network, and to the pixels that it expects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from torch import Tensor

from crystaledge.extras import load
from crystaledge.preprocessing.spec import Fit, Preprocessing, Resampling
from crystaledge_training.anomaly.backbone import Backbone, require_levels
from crystaledge_training.anomaly.backbone_kind import BackboneKind
from crystaledge_training.anomaly.efficientnet_lite0 import CHANNELS, EfficientNetLite0
from crystaledge_training.anomaly.published import TEACHER_WIDTHS, PublishedTrunk

EXTRA = "anomaly"
_CHANNELS: Mapping[BackboneKind, Mapping[int, int]] = {
    BackboneKind.EFFICIENTNET_LITE0: CHANNELS,
    BackboneKind.PUBLISHED: {2 << index: width for index, width in enumerate(TEACHER_WIDTHS)},
}


def make_backbone(kind: BackboneKind, levels: Sequence[int], *, pretrained: bool = True) -> Backbone:
    """A frozen backbone, in inference mode for good.

    Args:
        levels: strides, finest first.
        pretrained: with ImageNet weights, where there are some; else random ones, for weights of a checkpoint to
            replace. The published backbone has none.

    Raises:
        DataError: the backbone does not have such levels.
        MissingExtraError: the package with the weights is not installed.
    """
    if kind is BackboneKind.PUBLISHED:
        return PublishedTrunk(levels).freeze()
    backbone = EfficientNetLite0(levels)
    if pretrained:
        weights = load(
            "crystaledge_training.anomaly.imagenet_weights:efficientnet_lite0_weights",
            extra=EXTRA,
            purpose="A backbone with ImageNet weights",
        )
        backbone.load_published(cast(Callable[[], Mapping[str, Tensor]], weights)())
    return backbone.freeze()


def channels_of(kind: BackboneKind, levels: Sequence[int]) -> tuple[int, ...]:
    """Features of a cell at each level of a backbone, without making it.

    Raises:
        DataError: the backbone does not have such levels.
    """
    known = _CHANNELS[kind]
    require_levels(levels, tuple(known), f"The backbone {kind.value}")
    return tuple(known[stride] for stride in levels)


def preprocessing_of(kind: BackboneKind, size_hw: tuple[int, int]) -> Preprocessing:
    """The whole image, stretched to `size_hw`, in the numbers that the backbone was trained on."""
    if kind is BackboneKind.PUBLISHED:
        # What the original's cameras gave (architectures, 0.4); its weights are random, so any would do.
        return Preprocessing(
            size_hw=size_hw,
            fit=Fit.STRETCH,
            resampling=Resampling.AREA,
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
        )
    middle, deviation = 127.0 / 255.0, 128.0 / 255.0  # (p - 127) / 128, as the lite models were trained
    return Preprocessing(
        size_hw=size_hw,
        fit=Fit.STRETCH,
        resampling=Resampling.AREA,
        mean=(middle, middle, middle),
        std=(deviation, deviation, deviation),
    )
