"""Faces pasted on backgrounds: the box is where the face was put, decoys have none, and chance alone decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge.systems.mnemosyne_contract import FACE_IN_CROP
from crystaledge_training.phantom import composite_scenes as module
from crystaledge_training.phantom.composite_scenes import CompositeScenes
from tests.training.phantom.builders import composite_scenes, same_pictures

WHITE: NDArray[np.uint8] = np.full((96, 96, 3), 255, np.uint8)


def marked_patch(side: int = 96) -> NDArray[np.uint8]:
    """Black, with the place of the face in white."""
    patch = np.zeros((side, side, 3), np.uint8)
    x1, y1, x2, y2 = (round(share * side) for share in FACE_IN_CROP)
    patch[y1:y2, x1:x2] = 255
    return patch


@pytest.mark.parametrize("side", [24.0, 60.0, 110.0])
def test_the_box_is_where_the_face_lies(side: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_scissors", lambda side, random: np.ones((side, side), np.float32))
    pixels = np.zeros((160, 200, 3), np.uint8)
    box = CompositeScenes.paste(pixels, marked_patch(), (90.0, 80.0), side, seed=0)
    rows, columns = np.nonzero(pixels[..., 0] > 127)
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert box.tolist() == pytest.approx(found, abs=1.5)


def test_scissors_cut_softly_and_alike_for_one_seed() -> None:
    first, second, other = (np.full((80, 80, 3), 10, np.uint8) for _ in range(3))
    for pixels, seed in ((first, 4), (second, 4), (other, 5)):
        CompositeScenes.paste(pixels, WHITE, (40.0, 40.0), 50.0, seed=seed)
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    assert first[40, 40].tolist() == [255, 255, 255]
    assert first[0, 0].tolist() == [10, 10, 10]
    assert len(np.unique(first)) > 10  # an edge that would give the paste away is blended


def test_all_that_is_white_is_in_a_box_and_decoys_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Faces are white, everything else black: a decoy with a box, or a face without one, would be seen.
    scenes = composite_scenes(tmp_path, size_px=128)
    monkeypatch.setattr(scenes, "face", lambda random: WHITE)
    monkeypatch.setattr(scenes, "scenery", lambda random, side: np.zeros((side, side, 3), np.uint8))
    faces = things = 0
    for number in range(25):
        picture = scenes.draw(np.random.default_rng(number))
        assert np.isin(picture.kind, (0, 1)).all()  # 0: little of it is left at the border
        outside = picture.pixels[..., 0] > 0
        for x1, y1, x2, y2 in picture.box_xyxy:
            faces += 1
            width = height = 1.6 * max(x2 - x1, y2 - y1)  # of a face that the border may have cut
            # The whole crop, turned, lies within this; its face within the box.
            left, right = int(max(x1 - 0.5 * width, 0)), int(max(x2 + 0.5 * width, 0)) + 1
            top, low = int(max(y1 - 0.5 * height, 0)), int(max(y2 + 0.5 * height, 0)) + 1
            outside[top:low, left:right] = False
        assert not outside.any()
        things += 1
    assert faces > things  # there are some


def test_a_picture_of_decoys_alone_has_no_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DECOYS", 1.0)
    picture = composite_scenes(tmp_path).draw(np.random.default_rng(0))
    assert picture.box_xyxy.shape == (0, 4)


def test_faces_are_centred_in_the_picture_and_apart(tmp_path: Path) -> None:
    scenes = composite_scenes(tmp_path, size_px=128)
    for number in range(20):
        boxes = scenes.draw(np.random.default_rng(number)).box_xyxy
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        assert (centres >= -5).all() and (centres <= 133).all()  # a turn moves the centre a little
        for a in range(len(boxes)):
            for b in range(a):
                assert np.abs(centres[a] - centres[b]).max() > 0.5 * (boxes[a, 2] - boxes[a, 0])


def test_is_a_function_of_the_random_numbers_alone(tmp_path: Path) -> None:
    first, second = composite_scenes(tmp_path / "a"), composite_scenes(tmp_path / "b")
    second.draw(np.random.default_rng(99))  # what was read before has no part in it
    for number in range(4):
        assert same_pictures(first.draw(np.random.default_rng(number)), second.draw(np.random.default_rng(number)))
    assert not same_pictures(first.draw(np.random.default_rng(0)), first.draw(np.random.default_rng(1)))


def test_masks_and_covers_change_the_copy_and_not_the_crop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MASKED", 1.0)
    monkeypatch.setattr(module, "_COVERED", 1.0)
    monkeypatch.setattr(module, "_DRAWN", 0.0)
    scenes = composite_scenes(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    faces = [scenes.face(np.random.default_rng(number)) for number in range(4)]
    assert len({face.tobytes() for face in faces}) == 4
    assert all(face.dtype == np.uint8 and face.shape[0] == face.shape[1] for face in faces)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.png")} == before


@pytest.mark.parametrize("side", [48, 128])
def test_scenery_is_a_square_of_the_wanted_side(tmp_path: Path, side: int) -> None:
    scenes = composite_scenes(tmp_path)
    for number in range(10):
        assert scenes.scenery(np.random.default_rng(number), side).shape == (side, side, 3)
