"""What calibration does for each kind of decision. A new kind is registered here, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crystaledge.anomaly.spec import AnomalyDecision
from crystaledge.bundle import Bundle
from crystaledge.detection.spec import DetectionDecision
from crystaledge.identity.spec import IdentityDecision
from crystaledge.manifest.model import Decision
from crystaledge_calibration.anomaly_records import AnomalyLimits, AnomalyVerificationRecord
from crystaledge_calibration.detection_records import DetectionLimits, DetectionVerificationRecord
from crystaledge_calibration.image_records import ImageVerificationRecord
from crystaledge_calibration.records import Limits, VerificationRecord

AnyLimits = Limits | DetectionLimits | AnomalyLimits
AnyVerificationRecord = VerificationRecord | ImageVerificationRecord[Any, Any]
"""Over time, or on images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How graphs of a kind are quantized and verified; names are `module:object`, loaded only when they are used."""

    noun: str
    """What is decided about, in the plural."""
    quantize: str
    """What `crystaledge quantize` calls, with the options and the bundle."""
    verify: str
    """What `crystaledge verify` calls, with the options and the bundle."""
    task: str | None
    """Makes the `ImageTask` of a bundle; None where sequences are decided about, not images."""
    limits: AnyLimits
    """What the gate demands if nobody wants it otherwise."""
    record: type[AnyVerificationRecord]
    """What the gate leaves in the bundle."""


_QUANTIZE_IMAGES = "crystaledge_calibration.commands.quantize_images:run"
_VERIFY_IMAGES = "crystaledge_calibration.commands.verify_images:run"

KINDS: Mapping[type[Decision], Kind] = {
    IdentityDecision: Kind(
        noun="identities",
        quantize="crystaledge_calibration.commands.quantize_closed_loop:run",
        verify="crystaledge_calibration.commands.verify_closed_loop:run",
        task=None,
        limits=Limits(),
        record=VerificationRecord,
    ),
    DetectionDecision: Kind(
        noun="detections",
        quantize=_QUANTIZE_IMAGES,
        verify=_VERIFY_IMAGES,
        task="crystaledge_calibration.detection_task:detection_task",
        limits=DetectionLimits(),
        record=DetectionVerificationRecord,
    ),
    AnomalyDecision: Kind(
        noun="anomalies",
        quantize=_QUANTIZE_IMAGES,
        verify=_VERIFY_IMAGES,
        task="crystaledge_calibration.anomaly_task:anomaly_task",
        limits=AnomalyLimits(),
        record=AnomalyVerificationRecord,
    ),
}


def kind_of(bundle: Bundle) -> Kind:
    """The kind of what a bundle decides about."""
    return KINDS[type(bundle.manifest.decision)]
