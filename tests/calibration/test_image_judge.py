"""The judge of graphs that read images prefers, of detectors, what finds the same faces."""

from __future__ import annotations

import numpy as np
import pytest

from crystaledge.detection.codec import Candidates
from crystaledge_calibration.detection_task import detection_task
from crystaledge_calibration.image_judge import ImageJudge
from tests.calibration.detector_builders import (
    PREPROCESSING,
    detector_model,
    detector_spec,
    detector_weights,
    pictures,
    write_detector_bundle,
    write_pictures,
)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> ImageJudge[Candidates]:
    folder = tmp_path_factory.mktemp("judge")
    images = pictures(write_pictures(folder / "pictures", 6))
    task = detection_task(write_detector_bundle(folder / "detector.bundle"))
    return ImageJudge(detector_spec(), detector_model(), images, PREPROCESSING, task, workers=2)


def test_the_float_graph_agrees_with_itself(judge: ImageJudge[Candidates]) -> None:
    score = judge.score(detector_model())
    assert score.cosine.shape == (1, 6) == (1, judge.sequences)
    assert score.loss == pytest.approx(0.0, abs=1e-6)


def test_worse_logits_and_worse_boxes_score_lower_each_in_its_place(judge: ImageJudge[Candidates]) -> None:
    weights = detector_weights()
    dim = weights["logit.bias"] - np.float32(0.4)
    moved = weights["box.bias"] + np.array([0.5, 0.0, 0.0, 0.0], np.float32)
    blind = weights["logit.bias"] - np.float32(40.0)
    models = [{}, {"logit.bias": dim}, {"box.bias": moved}, {"logit.bias": blind}]
    losses = [score.loss for score in judge.score_all([detector_model(changed=one) for one in models])]
    assert losses[0] < 1e-6 < losses[1] and losses[0] < losses[2]
    assert losses[3] == pytest.approx(1.0)
