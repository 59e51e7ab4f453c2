"""The trunk of EfficientNet-Lite0 up to stride 16, as its authors' TensorFlow weights want it.

The network: Tan and Le, EfficientNet, 2019, section 4, table 1, in the `lite` form of the TensorFlow TPU models: no
squeeze-excite, ReLU6 in place of swish, a stem and a head of fixed width. Blocks 11 to 15 and the head are left out;
features of whole-object semantics tell little about small defects (PatchCore, section 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from crystaledge.errors import DataError
from crystaledge_training.anomaly.backbone import Backbone, require_levels

_STEM = 32
_BN_EPS = 1e-3
"""TensorFlow's; PyTorch's default of 1e-5 shifts every feature a little."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """Blocks of one shape; the first carries the stride."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
)
LEVELS = {4: 2, 8: 4, 16: 10}
"""Stride of a level: the block whose output it is, the last one of that stride."""
CHANNELS = {4: 24, 8: 40, 16: 112}


class SameConv(nn.Module):
    """Convolution without bias, padded as TensorFlow's 'same' does, and its batch norm.

    Where the stride is 2 and the side even, TensorFlow pads one row or column more at the end than at the beginning;
    the amounts follow from the shape that is seen, so they are constants of an exported graph.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        padding = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(channels_out, eps=_BN_EPS)
        self._kernel, self._stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """`(B, in, H, W)` to `(B, out, ceil(H / stride), ceil(W / stride))`."""
        if self._stride != 1:
            (top, bottom), (left, right) = (self._padding(side) for side in x.shape[-2:])
            x = functional.pad(x, (left, right, top, bottom))
        normed: Tensor = self.norm(self.conv(x))
        return normed

    def _padding(self, side: int) -> tuple[int, int]:
        last = (-(-side // self._stride) - 1) * self._stride
        total = max(last + self._kernel - side, 0)
        return total // 2, total - total // 2


class MbConv(nn.Module):
    """Inverted residual: widen, filter each channel, narrow (MobileNetV2, section 3.3); linear at its end."""

    def __init__(self, channels_in: int, channels_out: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels_in * expansion
        self.expand = SameConv(channels_in, wide, 1) if expansion != 1 else None
        self.depthwise = SameConv(wide, wide, kernel, stride=stride, groups=wide)
        self.project = SameConv(wide, channels_out, 1)
        self._residual = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """`(B, in, H, W)` to `(B, out, ceil(H / stride), ceil(W / stride))`."""
        wide = x if self.expand is None else functional.relu6(self.expand(x))
        narrow: Tensor = self.project(functional.relu6(self.depthwise(wide)))
        return narrow + x if self._residual else narrow


class EfficientNetLite0(Backbone):
    """Only the blocks up to the coarsest level that is asked for.

    Args:
        levels: strides among 4, 8 and 16, finest first.
    """

    def __init__(self, levels: Sequence[int]) -> None:
        require_levels(levels, tuple(LEVELS), "EfficientNet-Lite0")
        super().__init__(strides=tuple(levels), channels=tuple(CHANNELS[stride] for stride in levels))
        self.stem = SameConv(3, _STEM, 3, stride=2)
        self.blocks = nn.ModuleList(_blocks()[: LEVELS[levels[-1]] + 1])
        self._taken = tuple(LEVELS[stride] for stride in levels)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """`(B, 3, H, W)` to one `(B, channels, ceil(H / stride), ceil(W / stride))` a level; not rectified."""
        x = functional.relu6(self.stem(image))
        maps: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self._taken:
                maps.append(x)
        return tuple(maps)

    def load_published(self, weights: Mapping[str, Tensor]) -> None:
        """Take the tensors of a state dict in the naming of `efficientnet-lite-pytorch`; the rest of it is left.

        Raises:
            DataError: a tensor is missing or has another shape.
        """
        renamed = {
            name: weights[_published_name(name)] for name in self.state_dict() if _published_name(name) in weights
        }
        try:
            self.load_state_dict(renamed)
        except RuntimeError as error:
            msg = f"The weights are not those of EfficientNet-Lite0: {' '.join(str(error).split())[:200]}."
            raise DataError(msg) from error


def _blocks() -> list[MbConv]:
    made: list[MbConv] = []
    channels = _STEM
    for stage in _STAGES:
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            block = MbConv(channels, stage.channels, kernel=stage.kernel, stride=stride, expansion=stage.expansion)
            made.append(block)
            channels = stage.channels
    return made


_NORMS = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}


def _published_name(name: str) -> str:
    """Such as `blocks.1.expand.norm.bias` to `_blocks.1._bn0.bias`."""
    *place, part, kind, tensor = name.split(".")
    if part == "stem":
        return f"{'_conv_stem' if kind == 'conv' else '_bn0'}.{tensor}"
    layer = f"_{part}_conv" if kind == "conv" else _NORMS[part]
    return f"_blocks.{place[1]}.{layer}.{tensor}"
