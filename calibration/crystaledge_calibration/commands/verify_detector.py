"""`crystaledge verify`, of detectors."""

from __future__ import annotations

from argparse import Namespace

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome
from crystaledge.jsonio import encode
from crystaledge_calibration.commands.images import images_of
from crystaledge_calibration.commands.limits import limits_of
from crystaledge_calibration.commands.sequences import progress_bar
from crystaledge_calibration.detection_records import DetectionLimits, DetectionVerificationRecord
from crystaledge_calibration.verify import calibration_files
from crystaledge_calibration.verify_detector import families_to_verify, record_detectors, verify_detectors


def run(arguments: Namespace) -> Outcome:
    """Verify a bundle's quantized detectors; see the verb's help. What calibrated any of them is left out."""
    bundle = Bundle.open(arguments.bundle)
    families = families_to_verify(bundle, arguments.graph)
    limits = limits_of(DetectionLimits(), arguments.limit)
    calibrated = frozenset[str]().union(*(calibration_files(bundle, g) for family in families for g in family))
    images = images_of(arguments, bundle, without=calibrated)
    records: list[DetectionVerificationRecord] = []
    for family in families:
        with progress_bar(len(images), family[0].name) as advance:
            found = verify_detectors(bundle, family, images, limits, progress=advance)
        bundle = record_detectors(bundle, found)
        records += found
    return Outcome(
        text="\n".join(_text(record) for record in records),
        data={"graphs": [encode(record) for record in records]},
        passed=all(record.passed for record in records),
    )


def _text(record: DetectionVerificationRecord) -> str:
    errors = ", ".join(f"{one.tensor} {one.error:.3f}" for one in record.map_errors)
    row = f"  {record.graph}: relative error of {errors}"
    if record.graph != record.family[0]:
        return row
    faces = record.decisions
    return "\n".join(
        [
            record.sentence,
            f"  at a score of {faces.score:.3f}: {faces.faces_float} faces float, {faces.faces_deployed} deployed, "
            f"{faces.faces_both} both (F1 {faces.same_faces:.4f}), mean overlap {faces.box_iou:.4f}, scores apart "
            f"{faces.score_apart:.4f} (shifted {faces.score_shift:+.4f})",
            row,
        ]
    )
