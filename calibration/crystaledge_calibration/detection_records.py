"""What verification of detectors leaves in a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from crystaledge.jsonio import Bounds
from crystaledge.manifest.model import Sha256
from crystaledge_calibration.records import SequenceSetRecord, Share, TensorTrace

DETECTION_RECORD_VERSION = 1


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


@dataclass(frozen=True, slots=True, kw_only=True)
class MapError:
    """One output of one graph: |deployed - float| / |float| over all images."""

    tensor: str
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionFinding:
    """One demand that was not met."""

    graph: str
    """The graph that did not meet it; that of whole images for what all do together."""
    demand: str
    measured: float
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionFault:
    """Where a deployed graph parts from its float one, both given the same images."""

    graph: str
    node: str
    """ONNX node or constant at fault; empty where errors add up and none stands out."""
    tensor: str
    error: float
    """Relative error of the tensor; 0 where the fault is a constant that the graph does not share with the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionVerificationRecord:
    """Float against deployed on images; one graph of a family, and the verdict on all of them together."""

    schema_version: Annotated[int, Bounds(DETECTION_RECORD_VERSION, DETECTION_RECORD_VERSION)]
    graph: str
    graph_sha256: Sha256
    reference: str
    reference_sha256: Sha256
    engine: str
    family: tuple[str, ...]
    """All graphs that were judged together, that of whole images first."""
    verified_on: SequenceSetRecord
    tensors: tuple[TensorTrace, ...]
    map_errors: tuple[MapError, ...]
    decisions: DetectionParity
    limits: DetectionLimits
    findings: tuple[DetectionFinding, ...]
    fault: DetectionFault | None
    passed: bool
    sentence: str
