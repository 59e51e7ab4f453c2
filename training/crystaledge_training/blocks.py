"""Blocks that several networks are built of."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class DepthwiseResidual(nn.Module):
    """Depthwise-separable residual block: `(B, in, H, W)` to `(B, out, H/stride, W/stride)`.

    The depthwise 3x3 carries the stride. The shortcut is a 1x1 convolution where the shape changes, else nothing.
    """

    def __init__(self, channels_in: int, channels_out: int, *, stride: int = 2) -> None:
        super().__init__()
        self.shortcut = nn.Sequential()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, stride), nn.BatchNorm2d(channels_out))
        self.depthwise = nn.Sequential(
            nn.Conv2d(channels_in, channels_in, 3, stride, 1, groups=channels_in), nn.BatchNorm2d(channels_in)
        )
        self.pointwise = nn.Sequential(nn.Conv2d(channels_in, channels_out, 1), nn.BatchNorm2d(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        main: Tensor = self.pointwise(functional.relu(self.depthwise(x)))
        return functional.relu(main + self.shortcut(x))
