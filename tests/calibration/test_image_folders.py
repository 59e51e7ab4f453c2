"""Where images lie, and what their folders say of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crystaledge.errors import DataError
from crystaledge_calibration.image_folders import Purpose, find_images
from crystaledge_calibration.image_set import choose_images
from tests.calibration.anomaly_builders import shown
from tests.support.anomaly_bundles import write_parts
from tests.support.messages import message_of


@pytest.fixture
def mvtec(tmp_path: Path) -> Path:
    """A folder in MVTec's layout, masks included."""
    root = tmp_path / "screw"
    write_parts(root / "train" / "good", 3, seed=1)
    write_parts(root / "test" / "good", 2, seed=2)
    write_parts(root / "test" / "blot", 4, seed=3, defects=True)
    write_parts(root / "ground_truth" / "blot", 4, seed=4)
    return root


def labels(folder: Path, purpose: Purpose = Purpose.VERIFY) -> list[bool | None]:
    return [found.normal for found in find_images(folder, purpose)]


def test_a_plain_folder_says_nothing_and_neither_does_its_subfolder_images(tmp_path: Path) -> None:
    write_parts(tmp_path / "images", 2, seed=1)
    assert labels(tmp_path) == labels(tmp_path / "images") == [None, None]


def test_of_mvtecs_layout_each_purpose_has_its_half(mvtec: Path) -> None:
    assert labels(mvtec, Purpose.CALIBRATE) == [True] * 3
    assert labels(mvtec) == labels(mvtec / "test") == [False] * 4 + [True] * 2
    assert labels(mvtec / "test", Purpose.CALIBRATE) == labels(mvtec / "test"), "a half that is named is meant"
    assert labels(mvtec / "train") == [True] * 3


def test_without_a_folder_of_good_ones_nobody_says_which_are_anomalous(tmp_path: Path) -> None:
    write_parts(tmp_path / "monday", 2, seed=1)
    write_parts(tmp_path / "tuesday", 1, seed=2)
    assert labels(tmp_path) == [None] * 3


def test_images_beside_subfolders_are_taken_alone(mvtec: Path) -> None:
    write_parts(mvtec / "test", 1, seed=9)
    assert labels(mvtec) == [None]


@pytest.mark.parametrize("made", [(), ("test",)])
def test_a_folder_that_holds_none_is_refused(tmp_path: Path, made: tuple[str, ...]) -> None:
    for name in made:
        (tmp_path / name).mkdir()
    with pytest.raises(DataError) as raised:
        find_images(tmp_path, Purpose.VERIFY)
    assert "or one of folders such as good/ and scratched/" in message_of(raised)
    with pytest.raises(DataError):
        find_images(tmp_path / "nowhere", Purpose.VERIFY)


def test_mvtecs_half_that_is_missing_is_named(mvtec: Path) -> None:
    shutil.rmtree(mvtec / "test")
    with pytest.raises(DataError) as raised:
        find_images(mvtec, Purpose.VERIFY)
    assert f"{mvtec / 'test'} holds no images" in message_of(raised)


def test_one_image_cannot_be_normal_and_anomalous(mvtec: Path) -> None:
    shutil.copy(mvtec / "test" / "good" / "2_0.png", mvtec / "test" / "blot" / "copy.png")
    with pytest.raises(DataError) as raised:
        choose_images(str(mvtec), images=99, octaves=1, seed=0, purpose=Purpose.VERIFY)
    assert "are the same image, normal in one folder only" in message_of(raised)


def test_labels_are_part_of_what_was_verified_on_and_names_are_not(mvtec: Path, tmp_path: Path) -> None:
    found = shown(mvtec)
    record = found.record()
    flat = tmp_path / "flat"
    flat.mkdir()
    for file in found.files:
        shutil.copy(file.label, flat / f"{file.sha256[:8]}.png")
    plain = choose_images(str(flat), images=99, octaves=1, seed=0, purpose=Purpose.VERIFY).record()
    assert record.files == plain.files and record.sha256 != plain.sha256
    assert "blot" not in str(record) and "screw" not in str(record)
