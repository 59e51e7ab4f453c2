"""Image sets: what is drawn, what is left out, and the octaves that a network is shown."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from crystaledge.errors import DataError
from crystaledge.files import sha256_of
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder, Preprocessing
from crystaledge_calibration.image_folders import Purpose
from crystaledge_calibration.image_set import ImageSet, choose_images, octaves_of
from crystaledge_calibration.records import SequenceSource
from tests.calibration.detector_builders import PREPROCESSING, SIDE, pictures, write_pictures
from tests.support.messages import message_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures") / "images", 7)


@pytest.fixture
def seven(folder: Path) -> ImageSet:
    return pictures(folder)


def test_images_lie_in_the_folder_or_in_its_images(folder: Path, seven: ImageSet) -> None:
    assert len(seven) == 7
    assert pictures(folder.parent) == seven


def test_of_many_some_are_drawn_by_the_seed(folder: Path) -> None:
    def drawn(seed: int) -> ImageSet:
        return choose_images(str(folder), images=3, octaves=2, seed=seed, purpose=Purpose.VERIFY)

    assert len({drawn(seed).files for seed in range(6)}) > 1 and all(len(drawn(seed)) == 3 for seed in range(6))
    assert drawn(1) == drawn(1)


def test_what_is_left_out_is_known_by_its_contents(folder: Path, seven: ImageSet, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    shutil.copytree(folder, copies)
    without = frozenset(file.sha256 for file in seven.files[:4])
    left = pictures(copies, without=without)
    assert {file.sha256 for file in left.files} == {file.sha256 for file in seven.files[4:]}
    with pytest.raises(DataError) as raised:
        pictures(copies, without=frozenset(file.sha256 for file in seven.files[:6]))
    assert "7 different images, of which 6 calibrated the graph" in message_of(raised)


def test_copies_count_once(folder: Path, tmp_path: Path) -> None:
    for number in range(3):
        shutil.copy(folder / "0.png", tmp_path / f"{number}.png")
    with pytest.raises(DataError) as raised:
        pictures(tmp_path)
    assert "holds 1 different images; at least 2 are needed" in message_of(raised)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        pictures(tmp_path)
    assert "holds no images, nor does" in message_of(raised)


def test_a_file_that_is_cut_short_stops_the_reading(tmp_path: Path) -> None:
    broken = write_pictures(tmp_path / "broken", 2) / "0.png"
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(DataError) as raised:
        list(pictures(tmp_path / "broken").rows(PREPROCESSING))
    assert "truncated" in message_of(raised)


def test_the_parts_of_a_split_hold_every_image_once(seven: ImageSet) -> None:
    others, chosen = seven.split(every=2)
    assert (len(others), len(chosen)) == (4, 3)
    assert sorted(f.label for f in (*others.files, *chosen.files)) == sorted(f.label for f in seven.files)


def test_rows_are_what_the_runtime_makes_of_a_file(seven: ImageSet) -> None:
    spec = Preprocessing(size_hw=(32, 48))
    (rows,) = seven.rows(spec)
    for row, file in zip(rows, seven.files, strict=True):
        pixels = cv2.imread(file.label)
        assert pixels is not None
        np.testing.assert_array_equal(row, Preprocessor(spec)(pixels.astype(np.uint8), ColorOrder.BGR))


def test_each_octave_is_a_batch_of_one_step(seven: ImageSet) -> None:
    whole, half = seven.batches(PREPROCESSING)
    assert whole.frames.shape == (7, 3, SIDE, SIDE) and half.frames.shape == (7, 3, SIDE // 2, SIDE // 2)
    for batch in (whole, half):
        assert batch.order.tolist() == [list(range(7))]


def test_an_octave_is_the_mean_of_four_pixels() -> None:
    rows = np.random.default_rng(0).normal(size=(2, 3, 8, 12)).astype(np.float32)
    first, second, third = octaves_of(rows, 3)
    assert first is rows and third.shape == (2, 3, 2, 3)
    naive = (rows[..., ::2, ::2] + rows[..., ::2, 1::2] + rows[..., 1::2, ::2] + rows[..., 1::2, 1::2]) / 4
    np.testing.assert_allclose(second, naive, atol=1e-6)


def test_an_excerpt_holds_the_first_images_and_not_many(seven: ImageSet) -> None:
    assert seven.excerpt(sequences=3, steps=16).files == seven.files[:3]
    assert len(seven.excerpt(sequences=99, steps=1)) == 7


def test_the_record_names_nobody_and_tells_sets_apart(seven: ImageSet, folder: Path) -> None:
    record = seven.record()
    assert (record.source, record.sequences, record.steps) == (SequenceSource.IMAGES, 7, 1)
    assert record.files == tuple(sorted(sha256_of(p.read_bytes()) for p in folder.iterdir()))
    assert seven.split(every=2)[0].record().sha256 != record.sha256
