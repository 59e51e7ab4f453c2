"""Quantized anomaly bundles, images for them, and what spoils them."""

from __future__ import annotations

from pathlib import Path

from crystaledge.anomaly.spec import AnomalyDecision
from crystaledge.bundle import Bundle
from crystaledge.manifest.model import Target
from crystaledge_calibration.anomaly_records import AnomalyLimits, AnomalyParity
from crystaledge_calibration.anomaly_task import anomaly_task
from crystaledge_calibration.choices import Calibrator
from crystaledge_calibration.family_members import families_to_verify
from crystaledge_calibration.image_folders import Purpose
from crystaledge_calibration.image_records import ImageVerificationRecord
from crystaledge_calibration.image_set import ImageSet, choose_images
from crystaledge_calibration.quantize import Quantized, add_to_bundle
from crystaledge_calibration.quantize_family import family_to_quantize, quantize_family
from crystaledge_calibration.recipe import RecipeOptions
from crystaledge_calibration.verify_family import verify_family
from tests.support.anomaly_bundles import GRAPH, write_parts

Record = ImageVerificationRecord[AnomalyParity, AnomalyLimits]
DECISION = AnomalyDecision(
    threshold=3.0,
    centre=2.0,
    spread=0.5,
    false_alarm_rate=0.02,
    false_alarm_interval=(0.0, 0.1),
    held_out=50,
    region_threshold=3.0,
    blur_cells=0.0,
    neighbours=0,
    rerank=0,
    calibrated_on="nothing",
)
PLAIN = RecipeOptions(
    target=Target.TENSORRT, calibrator=Calibrator.MINMAX, equalize=False, correct_bias=False, goal=None
)
LIMITS = AnomalyLimits()
INT8 = f"{GRAPH}-int8-tensorrt"


def write_set(folder: Path, *, train: int = 16, good: int = 40, defective: int = 40) -> Path:
    """Parts in MVTec's layout."""
    write_parts(folder / "train" / "good", train, seed=20)
    write_parts(folder / "test" / "good", good, seed=21)
    write_parts(folder / "test" / "blot", defective, seed=22, defects=True)
    return folder


def normals(folder: Path, *, defects: bool = True) -> ImageSet:
    """What a bundle calibrates on."""
    return choose_images(str(folder), images=99, octaves=1, seed=0, purpose=Purpose.CALIBRATE, defects=defects)


def shown(folder: Path) -> ImageSet:
    """What a bundle is verified on."""
    return choose_images(str(folder), images=99, octaves=1, seed=0, purpose=Purpose.VERIFY)


def quantized(bundle: Bundle, images: ImageSet, options: RecipeOptions = PLAIN) -> Quantized:
    """The graph of a bundle, quantized."""
    members = family_to_quantize(bundle, None, options.target, force=True)
    (made,) = quantize_family(bundle, members, images, anomaly_task(bundle), options)
    return made


def quantized_bundle(bundle: Bundle, images: ImageSet, options: RecipeOptions = PLAIN) -> Bundle:
    """The bundle with the quantized graph in it."""
    return add_to_bundle(bundle, quantized(bundle, images, options))


def verified(bundle: Bundle, images: ImageSet, limits: AnomalyLimits = LIMITS) -> Record:
    """What the gate says of a bundle's quantized graph."""
    (family,) = families_to_verify(bundle, None)
    (record,) = verify_family(bundle, family, images, anomaly_task(bundle), limits)
    return record
