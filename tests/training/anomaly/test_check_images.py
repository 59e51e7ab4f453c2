"""A first look at normal images: the ones that would spoil a training are named."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from crystaledge.errors import DataError
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.anomaly.check_images import require_usable

SPEC = Preprocessing(size_hw=(16, 16))


def write(path: Path, *, seed: int = 0, colour: tuple[int, int, int] | None = None) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 24, 3)).astype(np.uint8)
    if colour is not None:
        pixels[:] = colour
    assert cv2.imwrite(str(path), pixels)
    return path


def test_images_that_differ_are_fine_and_so_is_one_alone(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{seed}.png", seed=seed) for seed in range(3)]
    require_usable(paths, SPEC)
    require_usable(paths[:1], SPEC)
    require_usable([], SPEC)
    require_usable([*paths, write(tmp_path / "copy.png", seed=2)], SPEC)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (10, 20, 30)])
def test_an_image_of_one_colour_is_named(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    paths = [write(tmp_path / "a.png"), write(tmp_path / "cap.png", colour=colour)]
    with pytest.raises(DataError, match=r"cap\.png is of one colour"):
        require_usable(paths, SPEC)


def test_images_that_all_show_the_same_are_refused(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{number}.png", seed=1) for number in range(4)]
    with pytest.raises(DataError, match=r"All 4 normal images, such as .*0\.png, show the same pixels"):
        require_usable(paths, SPEC)


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"b\.png"):
        require_usable([write(tmp_path / "a.png"), tmp_path / "b.png"], SPEC)
