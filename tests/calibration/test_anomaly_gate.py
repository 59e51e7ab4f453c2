"""The gate of anomaly systems: sound graphs pass, planted faults do not and are named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.deploy import graph_to_run, why_not
from crystaledge.errors import BundleError, DataError
from crystaledge.jsonio import dumps, loads
from crystaledge.manifest.model import Target, anomaly_decision
from crystaledge_calibration.anomaly_records import AnomalyVerificationRecord
from crystaledge_calibration.keep_records import record_in_bundle
from tests.calibration.anomaly_builders import (
    INT8,
    LIMITS,
    PLAIN,
    Record,
    normals,
    quantized,
    quantized_bundle,
    shown,
    verified,
    write_set,
)
from tests.calibration.closed_loop_builders import along_the_other_axis
from tests.calibration.spoiling import Change, change_constant, spoiled
from tests.support.anomaly_bundles import write_parts, write_patchcore_bundle, write_student_bundle
from tests.support.messages import message_of

WRITERS = pytest.mark.parametrize("write", [write_patchcore_bundle, write_student_bundle], ids=["patchcore", "student"])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("data") / "parts")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Bundle:
    """With a memory, quantized for TensorRT. Not to be written to."""
    return quantized_bundle(write_patchcore_bundle(tmp_path_factory.mktemp("bundles") / "p.bundle"), normals(data))


@pytest.fixture
def own(bundle: Bundle, tmp_path: Path) -> Bundle:
    """A copy that may be written to."""
    return Bundle.open(shutil.copytree(bundle.path, tmp_path / "own.bundle"))


def demands(record: Record) -> list[str]:
    return [finding.demand for finding in record.findings]


@WRITERS
@pytest.mark.parametrize("target", list(Target), ids=lambda target: str(target.value))
def test_sound_graphs_pass(write: Callable[[Path], Bundle], target: Target, data: Path, tmp_path: Path) -> None:
    made = quantized_bundle(write(tmp_path / "a.bundle"), normals(data), replace(PLAIN, target=target))
    # A student of a few random filters loses a verdict of eighty to rounding; the faults lose far more.
    record = verified(made, shown(data), replace(LIMITS, same_verdict=0.97))
    assert record.passed and record.fault is None, record.sentence
    assert "images the same verdict" in record.sentence and "AUROC" in record.sentence
    found = record.decisions
    assert (found.images, found.normal, found.anomalous) == (80, 40, 40) and found.not_run == ()
    assert found.auroc is not None and found.auroc.reference > 0.85
    assert record.verified_on.steps == 1


def test_a_record_survives_being_written_and_names_nobody(bundle: Bundle, data: Path) -> None:
    record = verified(bundle, shown(data))
    text = dumps(record)
    assert loads(AnomalyVerificationRecord, text, where="it") == record
    assert "blot" not in text and "parts" not in text
    assert [demand.what for demand in record.demands()] == [
        "images with the same verdict",
        "loss of AUROC",
        "difference of their scores, in spreads",
        "relative error of 'distance'",
        "relative error of 'features'",
    ]


def swap_rows(model: onnx.ModelProto) -> None:
    """The memory's rows change places, their lengths and scales do not."""
    change_constant("bank.weight_quantized", lambda value: value[::-1])(model)


def wrong_axis(model: onnx.ModelProto, *, weight: str) -> None:
    """Scales of output channels, applied along the input channels."""
    model.CopyFrom(along_the_other_axis(model, weight))


def _times(value: NDArray[Any], *, factor: float) -> NDArray[Any]:
    result: NDArray[Any] = np.multiply(value, factor)
    return result


FAULTS: dict[str, tuple[Change, str]] = {
    "swapped bank rows": (swap_rows, "conv_bank"),
    "wrong axis of the bank": (partial(wrong_axis, weight="bank.weight"), "conv_bank"),
    "wrong axis of a weight": (partial(wrong_axis, weight="down.weight"), "conv_down"),
    "clipped range": (change_constant("stem_relu_scale", partial(_times, factor=0.2)), "conv_down"),
    "range too wide": (change_constant("features_read_scale", partial(_times, factor=40)), "conv_bank"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_fails_and_its_layer_is_named(own: Bundle, data: Path, fault: str) -> None:
    change, node = FAULTS[fault]
    record = verified(spoiled(own, change, (INT8,)), shown(data))
    assert not record.passed
    assert record.fault is not None and (record.fault.graph, record.fault.node) == (INT8, node), record.sentence
    assert node in record.sentence


def test_a_map_that_is_off_fails_even_where_the_host_puts_the_score_right(own: Bundle, data: Path) -> None:
    # All cells are ranked again here, so that scores and verdicts come from sound features and the exact bank alone.
    decision = replace(anomaly_decision(own.manifest.decision, where="it"), rerank=64)
    exact = replace(own, manifest=replace(own.manifest, decision=decision))
    images = shown(data)
    assert verified(exact, images).passed
    record = verified(spoiled(exact, swap_rows, (INT8,)), images)
    assert demands(record) == ["relative error of 'distance'"]
    assert record.decisions.same_verdict == 1.0


@WRITERS
def test_ranges_of_normal_images_alone_fail_on_what_is_not_normal(
    write: Callable[[Path], Bundle], data: Path, tmp_path: Path
) -> None:
    plain = quantized_bundle(write(tmp_path / "a.bundle"), normals(data, defects=False))
    record = verified(plain, shown(data))
    assert not record.passed and "images with the same verdict" in demands(record)
    assert record.fault is not None and record.fault.node == "conv_stem", "the image itself is cut off"
    assert record.decisions.score_shift < -0.5, "anomalies look more normal than they are"


def write_grey(folder: Path, count: int) -> Path:
    """Pictures of one grey, and a pixel that is not."""
    folder.mkdir(parents=True)
    for number in range(count):
        picture = np.full((32, 32, 3), 120, np.uint8)
        picture[number, number] = 123
        assert cv2.imwrite(str(folder / f"{number}.png"), picture)
    return folder


def test_what_was_calibrated_on_nearly_constant_images_fails(own: Bundle, data: Path, tmp_path: Path) -> None:
    grey = normals(write_grey(tmp_path / "grey", 8), defects=False)
    record = verified(quantized_bundle(own, grey), shown(data))
    assert not record.passed and record.decisions.same_verdict < 0.9
    assert record.fault is not None and record.fault.node == "conv_stem"


def test_constant_images_are_refused_by_name(own: Bundle, tmp_path: Path) -> None:
    folder = write_parts(tmp_path / "parts", 4, seed=3)
    assert cv2.imwrite(str(folder / "black.png"), np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(DataError) as raised:
        quantized(own, normals(folder))
    assert "black.png is of one colour and shows nothing" in message_of(raised)


@pytest.mark.parametrize("name", ["down.bias", "bank.bias", "features_read_scale"])
def test_what_is_not_finite_fails_and_is_recorded(own: Bundle, data: Path, name: str) -> None:
    record = verified(spoiled(own, change_constant(name, partial(_times, factor=np.nan)), (INT8,)), shown(data))
    assert not record.passed
    assert loads(AnomalyVerificationRecord, dumps(record), where="it") == record


def test_limits_are_demanded_and_recorded(bundle: Bundle, data: Path) -> None:
    strict = replace(LIMITS, score_apart=1e-6)
    record = verified(bundle, shown(data), strict)
    assert not record.passed and record.limits == strict
    assert demands(record) == ["difference of their scores, in spreads"]


def test_without_labels_there_is_no_curve_and_the_sentence_says_so(bundle: Bundle, tmp_path: Path) -> None:
    folder = write_parts(tmp_path / "plain", 30, seed=30)
    write_parts(folder, 30, seed=31, defects=True)
    record = verified(bundle, shown(folder))
    assert record.passed and record.decisions.auroc is None
    assert "AUROC: not run: no folder named 'good' says which images are normal." in record.sentence


def test_a_pass_makes_the_graph_fit_to_run_in_these_bytes(own: Bundle, data: Path) -> None:
    with pytest.raises(BundleError):
        graph_to_run(own, INT8, engine="onnxruntime")
    kept = record_in_bundle(own, verified(own, shown(data)))
    assert graph_to_run(kept, INT8, engine="onnxruntime") == kept.graph(INT8)
    failed = spoiled(kept, swap_rows, (INT8,))
    complaint = why_not(failed, failed.graph(INT8), engine="onnxruntime")
    assert complaint is not None and "of other bytes" in complaint
    again = record_in_bundle(failed, verified(failed, shown(data)))
    complaint = why_not(again, again.graph(INT8), engine="onnxruntime")
    assert complaint is not None and "conv_bank" in complaint
