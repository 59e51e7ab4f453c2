"""`quantize`, `lint` and `verify` of anomaly systems from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from crystaledge.bundle import Bundle
from tests.calibration.anomaly_builders import INT8, write_set
from tests.calibration.commands import QUICK, said
from tests.support.anomaly_bundles import write_parts, write_patchcore_bundle, write_student_bundle


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_set(tmp_path / "screw", train=8, good=12, defective=12)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_patchcore_bundle(tmp_path / "p.bundle").path


def quantize(path: Path, data: Path, *more: object) -> Sequence[object]:
    return ("quantize", path, "--target", "tensorrt", "--data", data, *QUICK, *more)


@pytest.mark.parametrize("write", [write_patchcore_bundle, write_student_bundle])
def test_quantize_lint_and_verify_on_mvtecs_layout(
    capsys: pytest.CaptureFixture[str], write: Callable[[Path], Bundle], tmp_path: Path, data: Path
) -> None:
    path = write(tmp_path / "a.bundle").path
    status, text = said(capsys, *quantize(path, data))
    assert status == 0 and "8 images, each also with drawn defects, one network" in text
    assert "100.0% of the MACs in int8" in text and "stays in float32" not in text
    assert said(capsys, "lint", path)[0] == 0
    status, text = said(capsys, "verify", path, "--data", data, "--limit", "same_verdict=0.9", "--json")
    (record,) = json.loads(text[text.index("{") : text.rindex("}") + 1])["graphs"]
    assert status == 0 and record["decisions"]["normal"] == record["decisions"]["anomalous"] == 12
    assert record["verified_on"]["source"] == "images"
    (summary,) = Bundle.open(path).manifest.verification
    assert summary.passed and (summary.horizon, summary.sequences) == (1, 24)


def test_what_calibrated_is_left_out_and_labels_come_from_folders(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, path: Path
) -> None:
    folder = tmp_path / "line"
    write_parts(folder / "good", 10, seed=50)
    assert said(capsys, *quantize(path, folder, "--sequences", 4))[0] == 0
    write_parts(folder / "scratched", 5, seed=51, defects=True)
    status, text = said(capsys, "verify", path, "--data", folder)
    assert status == 0 and "of 11 images anomalous float" in text, "4 of 15 calibrated"
    assert "among 6 normal images (promised 5.00%)" in text


def test_a_demand_that_is_not_met_is_exit_status_1(capsys: pytest.CaptureFixture[str], path: Path, data: Path) -> None:
    said(capsys, *quantize(path, data))
    status, text = said(capsys, "verify", path, "--data", data, "--limit", "map_error=0.0001")
    assert status == 1 and "anomaly-int8-tensorrt fails: relative error of 'distance'" in text
    assert not any(one.passed for one in Bundle.open(path).manifest.verification)


def test_without_labels_it_is_said_that_no_curve_was_drawn(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, path: Path, data: Path
) -> None:
    said(capsys, *quantize(path, data))
    plain = write_parts(tmp_path / "plain", 6, seed=60)
    status, text = said(capsys, "verify", path, "--data", plain)
    assert status == 0 and "AUROC: not run: no folder named 'good'" in text
    assert "verdicts on anomalous images: not run: the float graph finds none of 6 images anomalous" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("verify", "--limit", "box_iou=0.5"), "has no limit 'box_iou'; there are same_verdict, auroc_loss"),
        (("verify", "--data", "synthetic"), "give --data DIR, a folder of them"),
        (("verify", "--people", "list.txt"), "--people names identities of a folder"),
        (("quantize", "--target", "tensorrt"), "has graphs for tensorrt already; give --force"),
        (("quantize", "--target", "cpu", "--graph", INT8), "is quantized already"),
    ],
)
def test_what_cannot_be_is_exit_status_2(
    capsys: pytest.CaptureFixture[str], path: Path, data: Path, arguments: tuple[str, ...], message: str
) -> None:
    said(capsys, *quantize(path, data))
    verb, *more = arguments
    status, text = said(capsys, verb, path, "--data", data, *more)
    assert status == 2 and message in text


def test_there_has_to_be_something_to_verify(capsys: pytest.CaptureFixture[str], path: Path, data: Path) -> None:
    status, text = said(capsys, "verify", path, "--data", data)
    assert status == 2 and "has no quantized graph that reads images. Quantize first." in text
