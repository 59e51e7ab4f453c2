"""What verification of detectors leaves in a bundle."""

from __future__ import annotations

from dataclasses import dataclass

from crystaledge_calibration.image_records import Demand, ImageVerificationRecord, at_least, at_most
from crystaledge_calibration.records import Share


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionLimits:
    """What the gate demands of a detector."""

    same_faces: float = 0.98
    """F1 of the faces that both graphs find at the operating point."""
    box_iou: float = 0.9
    """Mean overlap of their boxes."""
    score_apart: float = 0.05
    """Mean absolute difference of their scores."""
    map_error: float = 0.25
    """Relative error of any output of any graph."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionParity:
    """Whether the float graphs and the deployed ones find the same faces in whole images."""

    images: int
    score: float
    """The operating point that faces are found at."""
    faces_float: int
    faces_deployed: int
    faces_both: int
    """Pairs that overlap by at least 0.5."""
    same_faces: Share
    """F1: 2 * both / (float + deployed)."""
    box_iou: Share
    """Mean overlap of the pairs; 0 where there is none."""
    score_apart: Share
    """Mean absolute difference of the pairs' scores."""
    score_shift: float
    """Mean of deployed - float."""

    def demands(self, limits: DetectionLimits) -> tuple[Demand, ...]:
        """What the gate demands; see `Decided`."""
        return (
            at_least("F1 of the faces that both find", self.same_faces, limits.same_faces),
            at_least("mean overlap of their boxes", self.box_iou, limits.box_iou),
            at_most("difference of their scores", self.score_apart, limits.score_apart),
        )

    def says(self) -> str:
        """A pass in words; see `Decided`."""
        return (
            f"find the same faces: F1 {self.same_faces:.3f} and mean overlap {self.box_iou:.3f} in {self.images} "
            f"images with {self.faces_float} faces."
        )

    def told(self) -> str:
        """The numbers; see `Decided`."""
        return (
            f"at a score of {self.score:.3f}: {self.faces_float} faces float, {self.faces_deployed} deployed, "
            f"{self.faces_both} both (F1 {self.same_faces:.4f}), mean overlap {self.box_iou:.4f}, scores apart "
            f"{self.score_apart:.4f} (shifted {self.score_shift:+.4f})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionVerificationRecord(ImageVerificationRecord[DetectionParity, DetectionLimits]):
    """Of detectors."""

    decisions: DetectionParity
    limits: DetectionLimits
