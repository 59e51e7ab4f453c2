"""Sizes of a pair of teacher and student."""

from __future__ import annotations

from dataclasses import dataclass

from crystaledge_training.anomaly.backbone_kind import BackboneKind


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentTeacherConfig:
    """What decides the shapes of both networks."""

    teacher: BackboneKind = BackboneKind.EFFICIENTNET_LITE0
    imitated: tuple[int, ...] = (4, 8, 16)
    """Strides of the teacher's levels that the student imitates, finest first."""
