"""`crystaledge verify`, of graphs that read images."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome
from crystaledge.jsonio import encode
from crystaledge_calibration.commands.images import images_of
from crystaledge_calibration.commands.limits import limits_of
from crystaledge_calibration.commands.sequences import progress_bar
from crystaledge_calibration.family_members import families_to_verify
from crystaledge_calibration.image_folders import Purpose
from crystaledge_calibration.image_records import ImageVerificationRecord
from crystaledge_calibration.image_task import task_of
from crystaledge_calibration.keep_records import record_in_bundle
from crystaledge_calibration.verify import calibration_files
from crystaledge_calibration.verify_family import verify_family

Record = ImageVerificationRecord[Any, Any]


def run(arguments: Namespace, bundle: Bundle) -> Outcome:
    """Verify a bundle's quantized graphs; see the verb's help. What calibrated any of them is left out."""
    task = task_of(bundle)
    families = families_to_verify(bundle, arguments.graph)
    limits = limits_of(task.limits, arguments.limit)
    calibrated = frozenset[str]().union(*(calibration_files(bundle, g) for family in families for g in family))
    images = images_of(arguments, octaves=task.octaves, purpose=Purpose.VERIFY, without=calibrated)
    records: list[Record] = []
    for family in families:
        with progress_bar(len(images), family[0].name) as advance:
            found = verify_family(bundle, family, images, task, limits, progress=advance)
        bundle = record_in_bundle(bundle, *found)
        records += found
    return Outcome(
        text="\n".join(_text(record) for record in records),
        data={"graphs": [encode(record) for record in records]},
        passed=all(record.passed for record in records),
    )


def _text(record: Record) -> str:
    errors = ", ".join(f"{one.tensor} {one.error:.3f}" for one in record.map_errors)
    row = f"  {record.graph}: relative error of {errors}"
    if record.graph != record.family[0]:
        return row
    return "\n".join([record.sentence, f"  {record.decisions.told()}", row])
