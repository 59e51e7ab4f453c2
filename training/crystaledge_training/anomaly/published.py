"""The small trunks of the original systems: 3x3 convolutions of stride 2, each with batch norm and ReLU.

Reference: architectures, 6.1 (PatchCore, 371,712 parameters to stride 8) and 7.1 (teacher 76,032 and student 38,208
to stride 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from crystaledge_training.anomaly.backbone import Backbone, require_levels
from crystaledge_training.initialisation import initialise

TEACHER_WIDTHS = (64, 128, 256)
"""Strides 2, 4, 8; PatchCore's backbone is the teacher with one stage more."""
STUDENT_WIDTHS = (32, 128)


class PublishedTrunk(Backbone):
    """Random until weights are given or learnt.

    Args:
        widths: channels at strides 2, 4, 8 and so on.
        levels: strides, finest first; stages beyond the coarsest are left out.
    """

    def __init__(self, levels: Sequence[int], *, widths: Sequence[int] = TEACHER_WIDTHS) -> None:
        of_stride = {2 << index: width for index, width in enumerate(widths)}
        require_levels(levels, tuple(of_stride), "The published backbone")
        super().__init__(strides=tuple(levels), channels=tuple(of_stride[stride] for stride in levels))
        kept = [3, *(width for stride, width in of_stride.items() if stride <= levels[-1])]
        self.stages = nn.ModuleList(_stage(*pair) for pair in pairwise(kept))
        self.apply(initialise)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """`(B, 3, H, W)` to one map `(B, width, ceil(H / stride), ceil(W / stride))` a level, at least 0."""
        x, maps = image, []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if 2 << index in self.strides:
                maps.append(x)
        return tuple(maps)


def _stage(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 3, 2, 1), nn.BatchNorm2d(channels_out), nn.ReLU())
