"""Sets of normal and anomalous images, in each layout that is known, and what is none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from crystaledge.errors import DataError
from crystaledge_training.data.anomaly_set import read_anomaly_set


def write(path: Path, height: int = 20, width: int = 30) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.zeros((height, width), np.uint8))
    return path


@pytest.fixture
def mvtec(tmp_path: Path) -> Path:
    root = tmp_path / "screw"
    for name in ("train/good/0", "train/good/1", "train/good/10", "train/good/2", "test/good/0", "test/cut/0"):
        write(root / f"{name}.png")
    for name in ("test/bent/0", "test/bent/1", "ground_truth/bent/0_mask", "ground_truth/bent/1_mask"):
        write(root / f"{name}.png")
    return root


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    root = tmp_path / "pcb"
    for number in range(6):
        write(root / f"good/{number}.png")
        write(root / f"defect/{number}.png")
    (root / "labels.csv").write_text("image,xmin,ymin,xmax,ymax\n1.png,2,3,9,8\n1.png,0,0,4,4\n3.png,1,1,5,5\n")
    return root


class TestMvtec:
    def test_trains_on_its_normal_images_in_natural_order(self, mvtec: Path) -> None:
        assert [path.stem for path in read_anomaly_set(mvtec).train] == ["0", "1", "2", "10"]

    def test_is_tested_on_normal_images_first_then_by_kind(self, mvtec: Path) -> None:
        found = read_anomaly_set(mvtec)
        assert [image.defect for image in found.test] == [None, "bent", "bent", "cut"]
        assert found.defects == ("bent", "cut")

    def test_masks_say_where_defects_are(self, mvtec: Path) -> None:
        normal, bent, _, cut = read_anomaly_set(mvtec).test
        assert bent.mask == mvtec / "ground_truth/bent/0_mask.png" and bent.is_located
        assert normal.is_located and not cut.is_located

    def test_is_described_in_one_line(self, mvtec: Path) -> None:
        text = read_anomaly_set(mvtec).description
        assert text == (
            "folder 'screw' (MVTec): 4 normal images to train on; tested on 1 normal and 3 defect images, "
            "1 of them without a mask"
        )

    def test_may_hold_no_test_or_no_training_images(self, mvtec: Path) -> None:
        (mvtec / "test").rename(mvtec.parent / "away")
        assert read_anomaly_set(mvtec).test == ()
        (mvtec.parent / "away").rename(mvtec / "test")
        (mvtec / "train").rename(mvtec.parent / "away")
        found = read_anomaly_set(mvtec)
        assert found.train == () and len(found.test) == 4

    def test_defects_among_the_training_images_are_refused(self, mvtec: Path) -> None:
        write(mvtec / "train/bent/0.png")
        with pytest.raises(DataError, match="holds 'bent' beside 'good'"):
            read_anomaly_set(mvtec)

    def test_a_mask_of_another_size_is_refused(self, mvtec: Path) -> None:
        write(mvtec / "ground_truth/bent/1_mask.png", 21, 30)
        with pytest.raises(DataError, match=r"1_mask\.png is 30 x 21 px"):
            read_anomaly_set(mvtec)

    def test_hidden_folders_and_other_files_are_not_looked_at(self, mvtec: Path) -> None:
        write(mvtec / "train/.cache/0.png")
        (mvtec / "train/good/notes.txt").write_text("x")
        assert len(read_anomaly_set(mvtec).train) == 4


class TestPlain:
    def test_every_second_normal_image_trains(self, pairs: Path) -> None:
        found = read_anomaly_set(pairs)
        assert [path.stem for path in found.train] == ["0", "2", "4"]
        assert [image.path.stem for image in found.test if image.defect is None] == ["1", "3", "5"]

    def test_defect_images_of_a_trained_spot_are_left_out_and_that_is_said(self, pairs: Path) -> None:
        found = read_anomaly_set(pairs)
        assert [image.path.stem for image in found.test if image.defect is not None] == ["1", "3", "5"]
        assert "3 defect images left out, which show what a training image shows" in found.description

    def test_boxes_say_where_defects_are(self, pairs: Path) -> None:
        boxes = {image.path.stem: image.box_xyxy for image in read_anomaly_set(pairs).test if image.defect}
        assert boxes == {"1": ((2.0, 3.0, 9.0, 8.0), (0.0, 0.0, 4.0, 4.0)), "3": ((1.0, 1.0, 5.0, 5.0),), "5": ()}
        assert "1 of them without a mask" in read_anomaly_set(pairs).description

    def test_without_labels_nothing_is_located(self, pairs: Path) -> None:
        (pairs / "labels.csv").unlink()
        assert not any(image.is_located for image in read_anomaly_set(pairs).test if image.defect)


class TestNormalOnly:
    @pytest.mark.parametrize("folder", [".", "good"])
    def test_all_of_them_train(self, tmp_path: Path, folder: str) -> None:
        for number in range(3):
            write(tmp_path / "line" / folder / f"{number}.png")
        found = read_anomaly_set(tmp_path / "line")
        assert len(found.train) == 3 and found.test == ()
        assert found.description == "folder 'line' (normal images alone): 3 normal images to train on"


@pytest.mark.parametrize("folders", [(), ("train/good",), ("good",), ("good", "bad"), ("train", "test/good")])
def test_a_set_without_an_image_is_refused(tmp_path: Path, folders: tuple[str, ...]) -> None:
    for folder in folders:
        (tmp_path / "set" / folder).mkdir(parents=True)
    with pytest.raises(DataError, match=r"holds no images?.* expected MVTec's train/good"):
        read_anomaly_set(tmp_path / "set")
