"""Sizes of a pair of teacher and student."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from crystaledge.jsonio import Bounds
from crystaledge_training.anomaly.backbone_kind import BackboneKind


class StudentKind(Enum):
    """What imitates the teacher."""

    TWIN = "twin"
    """The teacher's own architecture with fresh weights (STFPM, section 3.1)."""
    LIGHT = "light"
    """Depthwise-separable blocks with a head for each level: a fraction of the teacher's work."""
    PUBLISHED = "published"
    """The original system's two convolutions; imitates one level of stride 4."""


class Comparison(Enum):
    """What it means that student and teacher disagree at a place."""

    DIRECTION = "direction"
    """Their vectors, taken at length 1, point apart (STFPM, eq. 1)."""
    DEVIATION = "deviation"
    """They differ in channels taken in units of each channel's spread on normal images (as in EfficientAD)."""


class Combination(Enum):
    """How the levels' maps become one."""

    PRODUCT = "product"
    """Anomalous where all levels disagree (STFPM, section 3.3); its root, so that 1 stays usual and ranges small."""
    SUM = "sum"
    """Anomalous where any level disagrees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentTeacherConfig:
    """What decides the shapes of both networks, and what the graph does with them."""

    teacher: BackboneKind = BackboneKind.EFFICIENTNET_LITE0
    imitated: tuple[int, ...] = (8, 16)
    """Strides of the teacher's levels that the student imitates, finest first.

    PatchCore's levels too. Stride 4 besides finds smaller defects, and takes fine structure such as threads for some.
    """
    student: StudentKind = StudentKind.LIGHT
    width: Annotated[int, Bounds(1, 8)] = 2
    """Factor of the light student's channels."""
    comparison: Comparison = Comparison.DEVIATION
    combination: Combination = Combination.PRODUCT


PUBLISHED_PAIR = StudentTeacherConfig(
    teacher=BackboneKind.PUBLISHED,
    imitated=(4,),
    student=StudentKind.PUBLISHED,
    comparison=Comparison.DIRECTION,
    combination=Combination.SUM,
)
"""The original's sizes: 114,240 parameters, 76,032 of them the teacher's, which are random."""
