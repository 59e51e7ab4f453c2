"""The detector on whole images: octaves come back to the pixels of the image, and rows do not mix."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.images import read_image
from crystaledge_training.data.annotations import Split, read_annotations
from crystaledge_training.phantom.detect import detect, merge, network_inputs, octaves_of
from tests.training.phantom.builders import SPEC, draw_photographs, random_phantom


def test_octaves_are_means_of_four_pixels() -> None:
    image = torch.arange(2 * 3 * 8 * 12, dtype=torch.float32).reshape(2, 3, 8, 12)
    pyramid = octaves_of(image, 3)
    assert [tuple(level.shape[2:]) for level in pyramid] == [(8, 12), (4, 6), (2, 3)]
    assert pyramid[1][1, 2, 3, 5].item() == image[1, 2, 6:8, 10:12].mean().item()
    assert torch.allclose(pyramid[2][0, 0, 1, 1], image[0, 0, 4:8, 4:8].mean())


def test_a_box_of_the_second_octave_is_twice_as_large() -> None:
    quiet, loud = np.full((4, 6), -9.0, np.float32), np.full((2, 3), -9.0, np.float32)
    loud[1, 2] = 3.0
    box = np.zeros((4, 2, 3), np.float32)
    box[2:, 1, 2] = math.log(3.0)
    levels = [(quiet, np.zeros((4, 4, 6), np.float32)), (loud, box)]
    found = merge(levels, score_threshold=0.5, suppression_iou=0.5)
    # Centre of cell (1, 2) at (10, 6), 12 px wide, in halved pixels.
    assert found.box_xyxy.tolist() == [pytest.approx([8.0, 0.0, 32.0, 24.0])]
    assert found.score[0] == pytest.approx(1.0 / (1.0 + math.exp(-3.0)))


def test_octaves_suppress_one_another() -> None:
    first, second = np.full((4, 6), -9.0, np.float32), np.full((2, 3), -9.0, np.float32)
    first[1, 1], second[0, 0] = 2.0, 1.0
    small, large = np.zeros((4, 4, 6), np.float32), np.zeros((4, 2, 3), np.float32)
    small[:, 1, 1] = (-0.5, -0.5, math.log(2.0), math.log(2.0))  # (0, 0, 8, 8)
    large[:2, 0, 0] = 0.0  # centre (2, 2) of halved pixels, 4 px: the same
    found = merge([(first, small), (second, large)], score_threshold=0.5, suppression_iou=0.5)
    assert len(found.score) == 1
    assert found.score[0] == pytest.approx(1.0 / (1.0 + math.exp(-2.0)))


def test_many_images_are_as_one_by_one_and_best_first() -> None:
    detector = random_phantom().detector
    images = torch.randn(34, 3, 32, 48, generator=torch.Generator().manual_seed(0))  # more than a batch
    together = detect(detector, images, octaves=2, score_threshold=0.5, suppression_iou=0.4)
    assert sum(len(found.score) for found in together) > 34
    for row in (0, 31, 32, 33):
        (alone,) = detect(detector, images[row : row + 1], octaves=2, score_threshold=0.5, suppression_iou=0.4)
        np.testing.assert_allclose(alone.box_xyxy, together[row].box_xyxy, atol=1e-3)
        np.testing.assert_allclose(alone.score, together[row].score, atol=1e-5)
        assert (np.diff(together[row].score) <= 0).all()
        assert (together[row].score >= 0.5).all()


def test_inputs_are_as_the_runtime_prepares_them_and_boxes_go_along(tmp_path: Path) -> None:
    images = read_annotations(draw_photographs(tmp_path), split=Split.TRAIN).images
    preprocessor = Preprocessor(SPEC)
    inputs, boxes = network_inputs(images, preprocessor)
    assert inputs.shape == (len(images), 3, 48, 64)
    for row, image in enumerate(images):
        expected = Preprocessor(SPEC)(read_image(image.path), ColorOrder.BGR)
        np.testing.assert_array_equal(inputs[row].numpy(), expected)
        np.testing.assert_allclose(boxes[row], image.box_xyxy * 0.8, rtol=1e-5)  # 60 x 80 px to 48 x 64
