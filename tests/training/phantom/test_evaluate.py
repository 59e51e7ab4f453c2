"""The evaluation of a detector: against a naive count, and as the command line gives it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from crystaledge.cli.main import main
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge_training.checkpoint import write_checkpoint
from crystaledge_training.data.annotations import Split, read_annotations
from crystaledge_training.phantom.detect import detect, network_inputs
from crystaledge_training.phantom.evaluate import PhantomEvaluation, evaluate, realised_point
from crystaledge_training.phantom.network import Phantom
from crystaledge_training.phantom.report import markdown
from tests.training.phantom.builders import (
    SPEC,
    draw_photographs,
    phantom_record,
    random_phantom,
    sample_detection_decision,
)

DECISION = sample_detection_decision(score=0.5)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_photographs(tmp_path_factory.mktemp("photographs"), train=2, val=4)


@pytest.fixture(scope="module")
def network() -> Phantom:
    """Finds a box of 16 px nearly anywhere."""
    network = random_phantom()
    torch.nn.init.constant_(network.detector.box.bias, math.log(4.0))  # type: ignore[arg-type]
    return network


@pytest.fixture(scope="module")
def result(photographs: Path, network: Phantom) -> PhantomEvaluation:
    images = read_annotations(photographs, split=Split.VALIDATION).images
    return evaluate(network.detector, images, SPEC, DECISION, resamples=20, seed=1)


def checkpoint_in(folder: Path, network: Phantom, *, decided: bool = True) -> Path:
    path = folder / "p.safetensors"
    write_checkpoint(path, phantom_record(network, decision=DECISION if decided else None), network.state_dict())
    return path


class TestEvaluate:
    def test_looks_at_all_faces_in_the_pixels_of_the_network(self, result: PhantomEvaluation) -> None:
        assert (result.metrics.images, result.metrics.faces) == (4, 6)
        assert (result.size_hw, result.octaves, result.smallest_face_px) == ((48, 64), 2, 8.0)
        assert result.calibrated == DECISION.point
        assert result.images_per_second > 0.0

    def test_the_point_is_a_count(self, result: PhantomEvaluation, photographs: Path, network: Phantom) -> None:
        images = read_annotations(photographs, split=Split.VALIDATION).images
        inputs, boxes = network_inputs(images, Preprocessor(SPEC))
        found = detect(network.detector, inputs, octaves=2, score_threshold=0.5, suppression_iou=0.45)
        hits = taken = 0
        for one, faces in zip(found, boxes, strict=True):
            free = list(faces)
            for box in one.box_xyxy:  # best first
                overlaps = [_iou(box, face) for face in free]
                if overlaps and max(overlaps) >= 0.5:
                    free.pop(int(np.argmax(overlaps)))
                    hits += 1
                    taken += 1
                elif np.prod(box[2:] - box[:2]) >= 64.0:
                    taken += 1
        assert taken > 5
        assert result.realised.precision == pytest.approx(hits / taken)
        assert result.realised.recall == pytest.approx(hits / 6)

    def test_a_perfect_detector_is_seen_as_one(self) -> None:
        box = np.array([[10.0, 10.0, 30.0, 30.0]], np.float32)
        found, truth = (box, np.array([0.9], np.float32)), (box, np.zeros(1, np.bool_))
        point = realised_point([found], [truth], DECISION)
        assert (point.score, point.precision, point.recall) == (0.5, 1.0, 1.0)
        quiet = realised_point([(box, np.array([0.4], np.float32))], [truth], DECISION)
        assert (quiet.precision, quiet.recall) == (0.0, 0.0)

    def test_the_report_says_it_all(self, result: PhantomEvaluation) -> None:
        text = markdown(result, title="A title")
        for words in ("# A title", "4 images, 6 faces of at least 8 px", "64 x 48 px, 2 octaves", "20 resamples"):
            assert words in text
        assert f"| AP50 | {result.metrics.ap50:.3f} [" in text
        assert "| calibration | 0.500 | 0.750 | 0.500 |" in text
        assert text.count(" px | ") == len(result.metrics.ap50_by_size)


def _iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    inner = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(inner / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inner))


class TestCommand:
    def test_prints_a_table_and_writes_the_report(
        self, photographs: Path, network: Phantom, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = ["evaluate", "phantom", "--checkpoint", str(checkpoint_in(tmp_path, network))]
        given += ["--data", str(photographs), "--out", str(tmp_path / "report"), "--bootstrap", "10"]
        assert main(given) == 0
        said = capsys.readouterr().out
        assert "| AP50 |" in said
        assert {p.name for p in (tmp_path / "report").iterdir()} == {"report.md", "report.json"}
        assert (tmp_path / "report" / "report.md").read_text().strip() == said.strip()
        report = json.loads((tmp_path / "report" / "report.json").read_text())
        assert report["evaluation"]["metrics"]["images"] == 4
        assert main(given) == 2  # it is not overwritten
        assert "--force" in capsys.readouterr().err

    def test_json_is_json_and_the_split_is_the_one_asked_for(
        self, photographs: Path, network: Phantom, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = ["evaluate", "phantom", "--checkpoint", str(checkpoint_in(tmp_path, network)), "--json"]
        assert main([*given, "--data", str(photographs), "--split", "train", "--bootstrap", "3"]) == 0
        found = json.loads(capsys.readouterr().out, parse_constant=lambda text: pytest.fail(text))
        assert found["evaluation"]["metrics"]["images"] == 2
        assert "train: 2 images" in found["title"]

    @pytest.mark.parametrize(
        ("more", "word"),
        [
            (["--people", "x"], "--people"),
            (["--split", "sideways"], "split"),
            (["--data", "nowhere"], "nowhere"),
            (["--checkpoint", "nowhere.safetensors"], "nowhere.safetensors"),
        ],
    )
    def test_what_cannot_be_is_refused_in_one_line(
        self,
        photographs: Path,
        network: Phantom,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        more: list[str],
        word: str,
    ) -> None:
        given = ["evaluate", "phantom", "--checkpoint", str(checkpoint_in(tmp_path, network))]
        assert main([*given, "--data", str(photographs), "--out", str(tmp_path / "out"), *more]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert word in said.err.splitlines()[-1]
        assert not (tmp_path / "out").exists()

    def test_another_system_or_no_decision_is_refused(
        self, photographs: Path, network: Phantom, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        undecided = checkpoint_in(tmp_path, network, decided=False)
        assert main(["evaluate", "phantom", "--checkpoint", str(undecided), "--data", str(photographs)]) == 2
        assert "no decision parameters" in capsys.readouterr().err
        decided = checkpoint_in(tmp_path, network)
        assert main(["evaluate", "mnemosyne", "--checkpoint", str(decided), "--data", str(photographs)]) == 2
        assert "is of phantom, not of mnemosyne" in capsys.readouterr().err
        given = ["evaluate", "mnemosyne", "--data", str(photographs), "--split", "val"]
        assert main(given) == 2
        assert "--split" in capsys.readouterr().err
