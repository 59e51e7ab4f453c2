"""The gate of a family, by detectors: sound graphs and planted faults."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import update_bundle
from crystaledge.deploy import graph_to_run, why_not
from crystaledge.errors import BundleError, ContractError, DataError, UsageError
from crystaledge.jsonio import dumps, loads
from crystaledge.manifest.model import FileRole, GraphChoice, Target
from crystaledge_calibration.detection_records import DetectionLimits, DetectionParity, DetectionVerificationRecord
from crystaledge_calibration.detection_task import detection_task
from crystaledge_calibration.family_members import families_to_verify
from crystaledge_calibration.image_gate import ONE_NETWORK
from crystaledge_calibration.image_records import ImageVerificationRecord
from crystaledge_calibration.image_set import ImageSet
from crystaledge_calibration.keep_records import record_in_bundle
from crystaledge_calibration.verify_family import verify_family
from tests.calibration.builders import constants
from tests.calibration.detector_builders import (
    PLAIN,
    int8_names,
    pictures,
    quantized_bundle,
    write_detector_bundle,
    write_pictures,
)
from tests.calibration.spoiling import Change, change_constant, spoiled
from tests.support.messages import message_of

Records = tuple[ImageVerificationRecord[DetectionParity, DetectionLimits], ...]
TENSORRT = replace(PLAIN, target=Target.TENSORRT)
NAMES = tuple(f"detect_{side}x{side}-int8-tensorrt" for side in (64, 32, 48))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return pictures(write_pictures(tmp_path_factory.mktemp("verify") / "pictures", 12, seed=9))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Quantized for TensorRT. Not to be written to."""
    folder = tmp_path_factory.mktemp("bundles")
    data = pictures(write_pictures(folder / "pictures", 8))
    return quantized_bundle(write_detector_bundle(folder / "detector.bundle"), data, TENSORRT)


@pytest.fixture
def own(bundle: Bundle, tmp_path: Path) -> Bundle:
    """A copy that may be written to."""
    data = pictures(write_pictures(tmp_path / "pictures", 8))
    return quantized_bundle(write_detector_bundle(tmp_path / "own.bundle"), data, TENSORRT)


LIMITS = DetectionLimits(same_faces=0.95)
"""A network of a few random filters loses a face or two of fifty to rounding; the faults lose far more."""


def verified(bundle: Bundle, images: ImageSet, limits: DetectionLimits = LIMITS) -> Records:
    (family,) = families_to_verify(bundle, NAMES[0])
    return verify_family(bundle, family, images, detection_task(bundle), limits)


def swap_scales(model: onnx.ModelProto) -> None:
    """The scales of two layers' weights change places."""
    held = constants(model)
    for name, other in (("depthwise", "pointwise"), ("pointwise", "depthwise")):
        change_constant(f"{name}.weight_scale", partial(_instead, other=held[f"{other}.weight_scale"]))(model)


def _instead(value: NDArray[Any], *, other: NDArray[Any]) -> NDArray[Any]:
    return other


def permute_boxes(model: onnx.ModelProto) -> None:
    """The box head answers with height for width and y for x."""
    for name in ("box.weight_quantized", "box.weight_scale", "box.bias"):
        change_constant(name, lambda value: value[[1, 2, 3, 0]])(model)


def test_sound_graphs_pass_together(bundle: Bundle, images: ImageSet) -> None:
    records = verified(bundle, images)
    assert tuple(record.graph for record in records) == NAMES == records[0].family
    assert all(record.passed and record.findings == () and record.fault is None for record in records)
    assert {record.sentence for record in records} == {records[0].sentence}
    assert all("find the same faces" in record.sentence for record in records)
    assert records[0].decisions.images == len(images) and records[0].decisions.faces_both > 20
    assert [error.tensor for error in records[2].map_errors] == ["logit", "box", "features"]
    assert loads(DetectionVerificationRecord, dumps(records[0]), where="it") == records[0]
    assert records[0].verified_on == images.record()


@pytest.mark.parametrize(
    ("change", "node"),
    [
        (change_constant("stem_relu_scale", lambda value: value * 60), "conv_down"),
        (change_constant("inner_scale", lambda value: value * 0.2), "conv_pointwise"),
        (change_constant("head_zero_point", lambda value: value + 60), "conv_logit"),
        (swap_scales, "conv_depthwise"),
        (permute_boxes, "conv_box"),
    ],
    ids=["wrong scale", "scale too small", "wrong zero point", "swapped scales", "permuted boxes"],
)
def test_a_planted_fault_fails_and_its_layer_is_named(own: Bundle, images: ImageSet, change: Change, node: str) -> None:
    records = verified(spoiled(own, change, NAMES), images)
    assert not any(record.passed for record in records)
    fault = records[0].fault
    assert fault is not None and (fault.graph, fault.node) == (NAMES[0], node), records[0].sentence
    assert node in records[0].sentence


def test_a_window_with_other_ranges_fails_all_and_is_named(own: Bundle, images: ImageSet) -> None:
    change = change_constant("image_scale", lambda value: value * 1.001)
    records = verified(spoiled(own, change, NAMES[2:]), images)
    assert not any(record.passed for record in records)
    assert [(f.graph, f.demand) for f in records[0].findings] == [(NAMES[2], ONE_NETWORK)]
    assert "the first is 'image_scale' of detect_48x48-int8-tensorrt" in records[0].sentence


def test_maps_that_are_not_finite_fail(own: Bundle, images: ImageSet) -> None:
    records = verified(spoiled(own, change_constant("logit.bias", lambda value: value * np.nan), NAMES), images)
    assert not records[0].passed and records[0].decisions.faces_deployed == 0
    assert loads(DetectionVerificationRecord, dumps(records[0]), where="it") == records[0]


def test_limits_are_demanded_and_recorded(bundle: Bundle, images: ImageSet) -> None:
    strict = replace(LIMITS, box_iou=0.9999)
    records = verified(bundle, images, strict)
    assert not records[0].passed and records[0].limits == strict
    assert [finding.demand for finding in records[0].findings] == ["mean overlap of their boxes"]
    assert records[0].fault is not None and records[0].fault.node == ""


def test_a_pass_makes_each_graph_fit_to_run_in_these_bytes(own: Bundle, images: ImageSet) -> None:
    for name in NAMES:
        with pytest.raises(BundleError):
            graph_to_run(own, name, engine="onnxruntime")
    kept = record_in_bundle(own, *verified(own, images))
    for name in NAMES:
        assert graph_to_run(kept, name, engine="onnxruntime") == kept.graph(name)
    other = spoiled(kept, change_constant("image_scale", lambda value: value * 1.001), NAMES[2:])
    complaint = why_not(other, other.graph(NAMES[2]), engine="onnxruntime")
    assert complaint is not None and "of other bytes" in complaint
    failed = record_in_bundle(other, *verified(other, images))
    complaint = why_not(failed, failed.graph(NAMES[0]), engine="onnxruntime")
    assert complaint is not None and ONE_NETWORK in complaint
    files = [entry.path for entry in failed.manifest.files if entry.role is FileRole.VERIFICATION]
    assert sorted(files) == sorted(summary.record for summary in failed.manifest.verification) and len(files) == 3


def test_a_choice_that_rests_on_an_earlier_record_is_taken_back(own: Bundle, images: ImageSet) -> None:
    choice = GraphChoice(graph=NAMES[1], engine="onnxruntime", reason="fastest")
    benched = update_bundle(own, replace(own.manifest, choice=choice), ())
    assert record_in_bundle(benched, *verified(benched, images)).manifest.choice is None


def test_images_without_faces_prove_nothing(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        verified(bundle, pictures(write_pictures(tmp_path / "dull", 3, squares=0)))
    assert "find no face in 3 images" in message_of(raised)


def test_a_family_is_whole_and_of_one_target(own: Bundle, images: ImageSet) -> None:
    both = quantized_bundle(own, images, PLAIN)
    assert [[graph.name for graph in family] for family in families_to_verify(both, None)] == [
        list(NAMES),
        int8_names(both, Target.CPU),
    ]
    (family,) = families_to_verify(both, "detect_48x48-int8-cpu")
    assert [graph.name for graph in family] == int8_names(both, Target.CPU)
    with pytest.raises(ContractError) as raised:
        verify_family(both, [family[0]], images, detection_task(both), DetectionLimits())
    assert "lack the size 32x32 px" in message_of(raised)


def test_there_has_to_be_something_to_verify(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        families_to_verify(write_detector_bundle(tmp_path / "float.bundle"), None)
    assert "has no quantized graph that reads images" in message_of(raised)
    with pytest.raises(UsageError):
        families_to_verify(bundle, "detect_64x64")
