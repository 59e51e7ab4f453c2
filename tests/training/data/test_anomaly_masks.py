"""Masks: found by name, held to the image's size, and brought to any other."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from crystaledge.errors import DataError
from crystaledge_training.data.anomaly_masks import defect_pixels, mask_of


def write(path: Path, height: int = 20, width: int = 30, *, value: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((height, width), value, np.uint8))
    return path


class TestMaskOf:
    @pytest.mark.parametrize("name", ["007_mask.png", "007.png", "007_mask.bmp"])
    def test_is_found_by_either_name(self, tmp_path: Path, name: str) -> None:
        image, mask = write(tmp_path / "test/cut/007.jpg"), write(tmp_path / "truth" / name)
        assert mask_of(image, tmp_path / "truth") == mask

    def test_is_none_where_there_is_none(self, tmp_path: Path) -> None:
        image = write(tmp_path / "007.png")
        write(tmp_path / "truth/07_mask.png")
        assert mask_of(image, tmp_path / "truth") is None
        assert mask_of(image, tmp_path / "gone") is None

    def test_of_another_size_is_refused_with_both_sizes(self, tmp_path: Path) -> None:
        image = write(tmp_path / "007.png")
        write(tmp_path / "truth/007_mask.png", 30, 20)
        with pytest.raises(DataError, match=r"is 20 x 30 px and its image .* is 30 x 20 px; expected equal sizes"):
            mask_of(image, tmp_path / "truth")

    def test_that_is_no_image_is_named(self, tmp_path: Path) -> None:
        image = write(tmp_path / "007.png")
        (tmp_path / "007_mask.png").write_bytes(b"no image")
        with pytest.raises(DataError, match=r"007_mask\.png"):
            mask_of(image, tmp_path)


class TestDefectPixels:
    def test_are_the_masks_own_at_its_own_size_whatever_value_marks_them(self, tmp_path: Path) -> None:
        pixels = np.zeros((20, 30), np.uint8)
        pixels[3:7, 5:11], pixels[12, 20] = 255, 1
        assert cv2.imwrite(str(tmp_path / "m.png"), pixels)
        assert np.array_equal(defect_pixels((20, 30), tmp_path / "m.png", (), at_hw=(20, 30)), pixels > 0)

    def test_of_boxes_are_half_open_and_end_at_the_image(self) -> None:
        found = defect_pixels((20, 30), None, ((2.0, 3.0, 6.0, 5.0), (25.0, -4.0, 99.0, 2.0)), at_hw=(20, 30))
        expected = np.zeros((20, 30), bool)
        expected[3:5, 2:6] = expected[0:2, 25:30] = True
        assert np.array_equal(found, expected)

    def test_at_a_smaller_size_are_those_that_are_at_least_half_defect(self) -> None:
        found = defect_pixels((8, 8), None, ((0.0, 0.0, 6.0, 4.0),), at_hw=(2, 2))
        assert found.tolist() == [[True, True], [False, False]]  # whole, and exactly half
        found = defect_pixels((8, 8), None, ((0.0, 0.0, 5.0, 4.0),), at_hw=(2, 2))
        assert found.tolist() == [[True, False], [False, False]]

    def test_of_a_normal_image_are_none(self) -> None:
        assert not defect_pixels((8, 8), None, (), at_hw=(3, 5)).any()
        assert defect_pixels((8, 8), None, (), at_hw=(3, 5)).shape == (3, 5)
