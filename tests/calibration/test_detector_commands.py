"""`quantize` and `verify` of detectors from the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from crystaledge.bundle import Bundle
from crystaledge.manifest.model import Precision
from tests.calibration.builders import write_small_bundle
from tests.calibration.commands import QUICK, said
from tests.calibration.detector_builders import write_detector_bundle, write_pictures


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "pictures" / "images", 20).parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_detector_bundle(tmp_path / "detector.bundle").path


def quantize(path: Path, data: Path, *more: str) -> Sequence[object]:
    return ("quantize", path, "--target", "tensorrt", "--data", data, "--sequences", 8, *QUICK, *more)


def test_quantize_lint_and_verify_on_one_folder(capsys: pytest.CaptureFixture[str], path: Path, data: Path) -> None:
    status, text = said(capsys, *quantize(path, data))
    assert status == 0 and "8 images, one network" in text and "100.0% of the MACs in int8" in text
    assert said(capsys, "lint", path, "--target", "jetpack-6.2")[0] == 0
    status, text = said(capsys, "verify", path, "--data", data, "--json")
    records = json.loads(text[text.index("{") : text.rindex("}") + 1])["graphs"]
    assert status == 0 and len(records) == 3
    assert records[0]["decisions"]["images"] == 12, "the other 8 calibrated"
    bundle = Bundle.open(path)
    assert len(bundle.manifest.verification) == 3 and all(one.passed for one in bundle.manifest.verification)


def test_a_demand_that_is_not_met_is_exit_status_1(capsys: pytest.CaptureFixture[str], path: Path, data: Path) -> None:
    assert said(capsys, *quantize(path, data))[0] == 0
    status, text = said(capsys, "verify", path, "--data", data, "--limit", "box_iou=0.99999")
    assert status == 1 and "mean overlap of their boxes" in text
    assert not any(one.passed for one in Bundle.open(path).manifest.verification)


def test_what_stays_in_float_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, path: Path, data: Path
) -> None:
    assert "stays in float32" not in said(capsys, *quantize(path, data))[1]
    assert all(graph.precision is Precision.FLOAT32 for graph in Bundle.open(path).manifest.graphs[:3])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--data", "synthetic"), "give --data DIR, a folder of them"),
        (("--people", "list.txt"), "--people names identities of a folder"),
        (("--graph", "detect_64x64-int8-tensorrt"), "is quantized already"),
    ],
)
def test_what_cannot_be_is_exit_status_2(
    capsys: pytest.CaptureFixture[str], path: Path, data: Path, more: tuple[str, ...], message: str
) -> None:
    if more[0] == "--graph":
        said(capsys, *quantize(path, data))
    status, text = said(capsys, *quantize(path, data, *more))
    assert status == 2 and message in text


def test_each_gate_has_its_own_limits(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, path: Path, data: Path
) -> None:
    said(capsys, *quantize(path, data))
    status, text = said(capsys, "verify", path, "--data", data, "--limit", "same_match=0.5")
    assert status == 2 and "has no limit 'same_match'; there are same_faces, box_iou" in text
    step = write_small_bundle(tmp_path / "step.bundle").path
    status, text = said(capsys, "verify", step, "--limit", "box_iou=0.5")
    assert status == 2
