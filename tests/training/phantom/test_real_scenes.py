"""Cuts of annotated photographs: white squares stand for faces, and are where their boxes say."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from crystaledge_training.data.annotations import AnnotatedImage, AnnotatedSet
from crystaledge_training.phantom.real_scenes import FACE_PX, RealScenes
from tests.training.phantom.builders import same_pictures


@pytest.fixture
def squares(tmp_path: Path) -> AnnotatedSet:
    """Three dark images: a red and an ignored blue square, two red squares, none."""
    boxes = {"a": [(20, 30, 44, 54), (70, 10, 90, 30)], "b": [(5, 5, 25, 25), (60, 50, 90, 80)], "c": []}
    images = []
    for name, corners in boxes.items():
        pixels = np.zeros((90, 120, 3), np.uint8)
        ignored = [name == "a" and place == 1 for place in range(len(corners))]
        for (x1, y1, x2, y2), flag in zip(corners, ignored, strict=True):
            pixels[y1:y2, x1:x2] = (255, 0, 0) if flag else (0, 0, 255)  # BGR
        path = tmp_path / f"{name}.png"
        assert cv2.imwrite(str(path), pixels)
        box_xyxy = np.array(corners, np.float32).reshape(-1, 4)
        images.append(AnnotatedImage(path, (90, 120), box_xyxy, np.array(ignored, np.bool_)))
    return AnnotatedSet(tmp_path, tuple(images), "squares")


@pytest.mark.parametrize("mosaic_share", [0.0, 1.0])
def test_boxes_follow_pixels(squares: AnnotatedSet, mosaic_share: float) -> None:
    scenes = RealScenes(squares, size_px=64, mosaic_share=mosaic_share)
    faces = ignored = 0
    for number in range(60):
        picture = scenes.draw(np.random.default_rng(number))
        assert picture.pixels.shape == (64, 64, 3)
        assert (picture.box_xyxy >= 0).all() and (picture.box_xyxy <= 64).all()
        red, blue = (picture.pixels[..., channel].astype(int) > 150 for channel in (0, 2))
        coloured = (red ^ blue) & (picture.pixels[..., 1] < 80)
        inside = np.zeros((64, 64), bool)
        for box, kind in zip(picture.box_xyxy, picture.kind, strict=True):
            x1, y1, x2, y2 = box
            inside[int(max(y1 - 2, 0)) : int(y2 + 3), int(max(x1 - 2, 0)) : int(x2 + 3)] = True
            core = picture.pixels[int(y1 + 2) : int(y2 - 2), int(x1 + 2) : int(x2 - 2)].astype(int)
            if core.size and kind == 1:
                faces += 1
                assert (core[..., 0] > 150).all() and (core[..., 2] < 100).all()
            elif core.size:
                ignored += 1
        assert not (coloured & ~inside & red).any()  # no face without a box
    assert faces > 30
    assert ignored > 3


def test_faces_come_in_the_sizes_that_are_wanted(squares: AnnotatedSet) -> None:
    scenes = RealScenes(squares, size_px=128, mosaic_share=0.0)
    sizes = []
    for number in range(150):
        picture = scenes.draw(np.random.default_rng(number))
        sides = picture.box_xyxy[picture.kind == 1][:, 2:] - picture.box_xyxy[picture.kind == 1][:, :2]
        sizes += np.sqrt(sides.prod(axis=1)).tolist()
    assert min(sizes) < 9.0
    assert np.percentile(sizes, 90) > 25.0
    assert max(sizes) < FACE_PX[1] * 2.0  # neighbours of the face that was chosen may be larger


def test_are_a_function_of_the_random_numbers_alone(squares: AnnotatedSet) -> None:
    first, second = (RealScenes(squares, size_px=32, mosaic_share=0.5) for _ in range(2))
    second.draw(np.random.default_rng(99))  # what was read before has no part in it
    for number in range(5):
        assert same_pictures(first.draw(np.random.default_rng(number)), second.draw(np.random.default_rng(number)))
    assert not same_pictures(first.draw(np.random.default_rng(0)), first.draw(np.random.default_rng(1)))


def test_photographs_without_faces_make_pictures_too(squares: AnnotatedSet) -> None:
    empty = AnnotatedSet(squares.root, squares.images[2:], "none")
    picture = RealScenes(empty, size_px=32, mosaic_share=0.5).draw(np.random.default_rng(0))
    assert picture.box_xyxy.shape == (0, 4)
