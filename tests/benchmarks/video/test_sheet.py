"""Contact sheets hold every picture, and are written for their owner alone."""

from __future__ import annotations

import stat
from pathlib import Path

import cv2
import numpy as np

from crystaledge_benchmarks.video.sheet import contact_sheet, even_places, write_sheet


def test_places_are_even_and_different() -> None:
    assert even_places(24) == list(range(1, 24, 2))
    assert even_places(3) == [0, 1, 2]


def test_pictures_of_different_shapes_stand_four_in_a_row() -> None:
    pictures = [np.full((90, 120, 3), 10 * n, np.uint8) for n in range(5)]
    pictures.append(np.full((240, 240, 3), 200, np.uint8))
    sheet = contact_sheet(pictures)
    assert sheet.shape == (2 * 480, 4 * 480, 3)
    assert sheet[100, 3 * 480 + 10].tolist() == [30] * 3
    assert sheet[480 + 400, 480 + 10].tolist() == [200] * 3


def test_the_file_is_private(tmp_path: Path) -> None:
    write_sheet(tmp_path / "sheet.png", [np.full((9, 16, 3), 77, np.uint8)])
    assert stat.S_IMODE((tmp_path / "sheet.png").stat().st_mode) == 0o600
    read = cv2.imread(str(tmp_path / "sheet.png"))
    assert read is not None
    assert read.shape == (270, 1920, 3)
