"""A frozen teacher and a student that saw normal images alone: where they disagree, an image is anomalous.

After Wang et al., Student-Teacher Feature Pyramid Matching (BMVC 2021): several levels are compared place by place, and
maps of all levels become one. Channels are compared in units of their own spread, as in Batzner et al., EfficientAD
(WACV 2024), or vectors by their directions, as in STFPM.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from crystaledge_training.anomaly.make_backbone import make_backbone
from crystaledge_training.student_teacher.config import Combination, Comparison, StudentTeacherConfig
from crystaledge_training.student_teacher.students import make_student


class ChannelUnits(nn.Module):
    """A level of the teacher in units of each channel's spread: `(x - mean) * gain`, once both are fitted.

    Args:
        channels: of the level.
    """

    mean: Tensor
    """`(channels, 1, 1)`."""
    gain: Tensor
    """`(channels, 1, 1)`: one over the standard deviation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("gain", torch.ones(channels, 1, 1))

    def forward(self, level: Tensor) -> Tensor:
        """`(B, channels, h, w)` to the same."""
        return (level - self.mean) * self.gain


class StudentTeacher(nn.Module):
    """Both networks, the units of the teacher's channels, and the scale of each level; the teacher is frozen for good.

    Args:
        pretrained: give the teacher its published weights; else a checkpoint brings them.
    """

    level_scale: Tensor
    """`(levels,)`: one over the mean distance of held-out normal images, so that 1 is usual at every level."""

    def __init__(self, config: StudentTeacherConfig, *, pretrained: bool = False) -> None:
        super().__init__()
        self.config = config
        self.teacher = make_backbone(config.teacher, config.imitated, pretrained=pretrained)
        self.student = make_student(config, self.teacher.channels)
        measured = self.teacher.channels if config.comparison is Comparison.DEVIATION else ()
        self.units = nn.ModuleList(ChannelUnits(channels) for channels in measured)
        self.register_buffer("level_scale", torch.ones(len(config.imitated)))

    def distances(self, image: Tensor) -> tuple[Tensor, ...]:
        """How far teacher and student are apart, a level `(B, 1, h, w)`, at least 0."""
        taught, imitated = self.teacher(image), self.student(image)
        if self.config.comparison is Comparison.DIRECTION:
            return tuple(half_squared(*pair) for pair in zip(taught, imitated, strict=True))
        levels = zip(self.units, taught, imitated, strict=True)
        return tuple(mean_squared(units(level), student) for units, level, student in levels)

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """Distance `(B, 1, h, w)`, at least 0, of images `(B, 3, H, W)`, at the size of the finest level."""
        finest, *coarser = self.distances(image)
        total = finest * self.level_scale[0]
        for row, level in enumerate(coarser, start=1):
            large = functional.interpolate(level, size=finest.shape[2:], mode="bilinear", align_corners=False)
            scaled = large * self.level_scale[row]
            total = total * scaled if self.config.combination is Combination.PRODUCT else total + scaled
        if self.config.combination is Combination.PRODUCT:
            total = total.pow(1.0 / len(self.level_scale))
        return (total,)


def half_squared(taught: Tensor, imitated: Tensor) -> Tensor:
    """Of two maps `(B, C, h, w)`, each place's vector taken at length 1: `(B, 1, h, w)`, in [0, 2] (STFPM, eq. 1)."""
    apart = functional.normalize(taught, dim=1) - functional.normalize(imitated, dim=1)
    return 0.5 * apart.square().sum(dim=1, keepdim=True)


def mean_squared(taught: Tensor, imitated: Tensor) -> Tensor:
    """Of two maps `(B, C, h, w)`, over channels: `(B, 1, h, w)`, at least 0."""
    return (taught - imitated).square().mean(dim=1, keepdim=True)
