"""How faces are decided on, as the manifest carries it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from crystaledge.errors import ContractError
from crystaledge.jsonio import Bounds

Probability = Annotated[float, Bounds(1e-6, 1.0 - 1e-6)]
Share = Annotated[float, Bounds(0.0, 1.0)]
Count = Annotated[int, Bounds(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionPoint:
    """A score threshold and what the validation images gave there."""

    score: Probability
    precision: Share
    recall: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionDecision:
    """Everything that turns a detector's maps into faces, and looks at tracks into verdicts.

    Raises:
        ContractError: the low threshold is above the other one.
    """

    octaves: Count
    """Levels of the image pyramid, each half the size of the one before."""
    point: DetectionPoint
    """Faces from here on found tracks; chosen at the best F1 of the validation images."""
    low_score: Probability
    """Detections from here on may go on with a track, but found none."""
    suppression_iou: Share
    smallest_face_px: Annotated[float, Bounds(1.0, 1e4)]
    """Square root of the area, in pixels of the network's input; what the figures hold for."""
    track_score: Share
    """From here on the track cell alone keeps a track alive that the detector did not see."""
    birth_score: Share
    """A detection whose patch scores below this founds no track."""
    calibrated_on: str
    """The images the thresholds were chosen on; never those of a test."""

    def __post_init__(self) -> None:
        if self.low_score > self.point.score:
            msg = f"Detection decision has a low score of {self.low_score:g} above its score of {self.point.score:g}."
            raise ContractError(msg)
