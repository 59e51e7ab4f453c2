"""Networks that imitate a teacher's levels, with fresh weights from torch's global generator."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from crystaledge.errors import UsageError
from crystaledge_training.anomaly.backbone import Backbone
from crystaledge_training.anomaly.backbone_kind import BackboneKind
from crystaledge_training.anomaly.efficientnet_lite0 import EfficientNetLite0
from crystaledge_training.anomaly.published import STUDENT_WIDTHS, PublishedTrunk
from crystaledge_training.blocks import DepthwiseResidual
from crystaledge_training.initialisation import initialise
from crystaledge_training.student_teacher.config import Comparison, StudentKind, StudentTeacherConfig

_WIDTHS = {2: 24, 4: 32, 8: 64, 16: 96}
"""Channels of the narrowest light student by stride; the first are the stem's."""


class LightStudent(Backbone):
    """A stem, two depthwise-separable residual blocks a stride, and for each level a head with the teacher's channels.

    Args:
        strides: of the levels that are imitated, finest first.
        channels: of the teacher at these.
        width: factor of its own channels.
    """

    def __init__(self, strides: tuple[int, ...], channels: tuple[int, ...], *, width: int = 1) -> None:
        super().__init__(strides=strides, channels=channels)
        wide = {stride: width * own for stride, own in _WIDTHS.items()}
        self.stem = nn.Sequential(nn.Conv2d(3, wide[2], 3, 2, 1, bias=False), nn.BatchNorm2d(wide[2]))
        self._reached = [stride for stride in wide if stride <= strides[-1]]
        self.stages = nn.ModuleList(_stage(wide[a], wide[b]) for a, b in pairwise(self._reached))
        self.heads = nn.ModuleList(nn.Conv2d(wide[s], c, 1) for s, c in zip(strides, channels, strict=True))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Levels `(B, channels, H/stride, W/stride)` of images `(B, 3, H, W)`, finest first; not rectified."""
        x = functional.relu(self.stem(image))
        maps: list[Tensor] = []
        for stride, stage in zip(self._reached[1:], self.stages, strict=True):
            x = stage(x)
            if stride in self.strides:
                maps.append(self.heads[len(maps)](x))
        return tuple(maps)


def make_student(config: StudentTeacherConfig, channels: tuple[int, ...]) -> Backbone:
    """A student for a teacher with so many channels at its levels.

    Raises:
        UsageError: the published student cannot imitate these levels.
    """
    student: Backbone
    if config.student is StudentKind.LIGHT:
        student = LightStudent(config.imitated, channels, width=config.width)
    elif config.student is StudentKind.TWIN:
        lite = config.teacher is BackboneKind.EFFICIENTNET_LITE0
        student = EfficientNetLite0(config.imitated) if lite else PublishedTrunk(config.imitated)
    else:
        student = PublishedTrunk(config.imitated, widths=STUDENT_WIDTHS)
    if student.channels != channels:
        msg = f"The student has {student.channels} channels at strides {config.imitated}, its teacher {channels}."
        raise UsageError(msg)
    student.apply(initialise)
    if isinstance(student, LightStudent) and config.comparison is Comparison.DEVIATION:
        student.heads.apply(_silence)
    return student


def _silence(layer: nn.Module) -> None:
    """The mean of every channel is the best guess before there is a better one."""
    if isinstance(layer, nn.Conv2d):
        nn.init.zeros_(layer.weight)


def _stage(channels_in: int, channels_out: int) -> nn.Sequential:
    """Halves the size."""
    return nn.Sequential(
        DepthwiseResidual(channels_in, channels_out), DepthwiseResidual(channels_out, channels_out, stride=1)
    )
